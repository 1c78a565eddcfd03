"""Every recipe as a user types it: without models one sentence; with fetched ones a whole run through Ray and vLLM."""

import re
import tempfile
from dataclasses import dataclass
from pathlib import Path

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

ON_CPU = ("engine.gpus=0", "engine.kv_cache_gib=0.5", "engine.max_num_seqs=16")


@dataclass(frozen=True)
class Recipe:
    """What a recipe says on a machine without network and GPU, and what a user sets so that it runs there.

    `says` is null if it runs as it is. `gates` are filters that may drop what models of made weights say.
    """

    says: str | None
    settings: tuple[str, ...] = ()
    gates: tuple[str, ...] = ()


RECIPES = {
    "quickstart": Recipe("weights not found: nano/clip/nano-clip.json; "),
    "datacomp_basic": Recipe(None),
    "densefusion": Recipe(
        "laion/CLIP-ViT-L-14-DataComp.XL-s13B-b90K@[0-9a-f]{40} is not on this machine, and .* does not answer .*; "
        "fetch it where there is a network with `curate models densefusion --fetch DIR`, bring DIR here, and give "
        "--models DIR",
        (*ON_CPU, "detector.resources.gpus=0", "clip.resources.gpus=0"),
    ),
    "stic": Recipe(
        r"yolo11x\.pt@v[\d.]+ is not on this machine, .*`curate models stic --fetch DIR`.*", ON_CPU, ("MinPairMargin",)
    ),
    "caption_qa": Recipe(
        r"yolo11x\.pt@v[\d.]+ is not on this machine, .*`curate models caption_qa --fetch DIR`.*",
        ON_CPU,
        ("MinQuestions",),
    ),
    "human_caption": Recipe("", (*ON_CPU, "detector.resources.gpus=0")),
    "sail_caption": Recipe(
        "no caption may be dropped on the word of caption_judge-v1-[0-9a-f]+ that was not measured; .*",
        (*ON_CPU, "uncalibrated=true"),
    ),
}
PHOTOS = {scene.key for scene in SCENES} - {"thumbnail"}
NEED_MODELS = sorted(RECIPES.keys() - {"quickstart", "datacomp_basic"})


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
    assert set(RECIPES) == set(known_recipes())


@pytest.mark.parametrize("name", NEED_MODELS)
def test_without_network_and_models_it_says_in_one_sentence_what_to_do(name, terminal, images):
    said = terminal.curate("run", name, "--input", images, "--dataset", "dataset")
    assert said.code == 2
    assert re.fullmatch(f"error: {RECIPES[name].says}", said.error), said.err
    assert said.seconds < 60
    assert not (terminal.home / "dataset" / "columns").exists()


@pytest.mark.parametrize("name", NEED_MODELS)
def test_fetched_models_make_it_run_from_the_first_image_to_the_last_stage(name, terminal, images, hub):
    settings = arguments(name)
    publish(name, hub)
    online = Terminal(terminal.home, hub.environment)
    good(online.curate("models", name, "--fetch", "models"))
    run = ("run", name, "--input", images, "--dataset", "dataset", "--models", "models", *settings)
    good(terminal.curate(*run))

    store = Store(str(terminal.home / "dataset"))
    manifest = latest(store)
    assert manifest.status == "finished"
    became = fates(store)
    assert (became.pop("cut"), became.pop("thumbnail")) == ("image_facts: image_truncated", "MinSide")
    assert became.keys() == PHOTOS
    assert set(became.values()) <= {None, *RECIPES[name].gates}
    assert unmeasured(store, manifest) == []

    before = files(terminal.home / "dataset" / "columns")
    again = good(terminal.curate(*run))
    assert files(terminal.home / "dataset" / "columns") == before
    assert latest(store).counts["shards_worked"] == 0
    assert again.seconds < 60


def arguments(name: str) -> list[str]:
    return [argument for setting in RECIPES[name].settings for argument in ("-p", setting)]


def publish(name: str, hub: HubFolder) -> None:
    """Put on the hub what a recipe asks for with its defaults, under its names and revisions."""
    for needed in models_of(build(find_recipe(name), [])[0]):
        if hub_of(needed.weights.where):
            hub.add(needed.weights)


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
