"""Before a run every model has a revision, a licence that is allowed, and files on this machine."""

import pytest

from curate.errors import PlanError
from curate.models.hub import HubError
from curate.models.needed import Needed
from curate.models.weights import Weights
from curate.pipeline import Pipeline
from curate.recipe import build, find_recipe
from curate.run.models import check_licences, fetch_missing, models_of, pin_models
from curate.stages import stage_id
from tests.support.hub import commit_of, folder_files, local_hub

FILES = {"config.json": b'{"architectures": ["M"]}', "model.safetensors": b"weights"}


@pytest.fixture(autouse=True)
def caches(tmp_path, monkeypatch):
    for name in ("CURATE_MODELS", "HF_HUB_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("CURATE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))


@pytest.fixture
def hub(monkeypatch):
    with local_hub({"org/model": FILES}) as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.url)
        yield hub


def recipe(name, *assignments) -> Pipeline:
    return build(find_recipe(name), assignments)[0]


def quiet(_: str) -> None:
    """Take no notice."""


def test_a_name_without_revision_is_looked_up_once_and_is_part_of_the_identity(hub):
    pipeline = recipe("sail_caption", "engine.model=org/model", "uncalibrated=true")
    told: list[str] = []
    pinned = pin_models(pipeline, "sail_caption", told.append)

    assert [str(one.weights) for one in models_of(pinned)] == [f"org/model@{commit_of(FILES)}"]
    assert sum(hub.asked.values()) == len(told) == 1
    assert f"give org/model@{commit_of(FILES)} to keep it" in told[0]
    written = recipe("sail_caption", f"engine.model=org/model@{commit_of(FILES)}", "uncalibrated=true")
    assert pinned.verdict_id() == written.verdict_id() != pipeline.verdict_id()


def test_a_gate_follows_the_judge_whose_model_got_a_revision(hub):
    pinned = pin_models(recipe("sail_caption", "engine.model=org/model"), "sail_caption", quiet)
    judge, gate = (
        next(s for s in pinned.stages if type(s).__name__ == kind) for kind in ("CaptionJudge", "CaptionGate")
    )
    assert gate.judge == stage_id(judge)


def test_a_pipeline_of_pinned_models_asks_nobody(monkeypatch):
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    for name in ("densefusion", "stic", "quickstart"):
        pipeline = recipe(name)
        assert pin_models(pipeline, name, quiet) is pipeline


def test_a_hub_that_is_down_leaves_what_is_here_or_is_one_sentence(hub, monkeypatch):
    pipeline = recipe("sail_caption", "engine.model=org/model", "uncalibrated=true")
    pinned = pin_models(pipeline, "sail_caption", quiet)
    fetch_missing(pinned, "sail_caption", quiet)
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    told: list[str] = []
    assert pin_models(pipeline, "sail_caption", told.append) == pinned
    assert "does not answer" in told[0]
    other = recipe("sail_caption", "engine.model=org/other", "uncalibrated=true")
    with pytest.raises(HubError, match=r"org/other is not on this machine, and .* does not answer .*--models DIR"):
        pin_models(other, "sail_caption", quiet)


def test_what_is_missing_is_fetched_once_into_the_cache_of_this_machine(hub):
    pipeline = recipe("sail_caption", f"engine.model=org/model@{commit_of(FILES)}", "uncalibrated=true")
    (needed,) = models_of(pipeline)
    assert needed.found() is None
    fetch_missing(pipeline, "sail_caption", quiet)
    assert folder_files(needed.weights.path()).keys() == {*FILES, "curate-model.json"}
    asked = sum(hub.asked.values())
    fetch_missing(pipeline, "sail_caption", quiet)
    assert sum(hub.asked.values()) == asked


def test_with_a_models_folder_nothing_is_fetched_and_all_that_lacks_is_named(hub, tmp_path, monkeypatch):
    monkeypatch.setenv("CURATE_MODELS", str(tmp_path))
    with pytest.raises(PlanError) as error:
        fetch_missing(recipe("densefusion"), "densefusion", quiet)
    for words in (
        "CLIP-ViT-L-14-DataComp",
        "yolo11x.pt@v8.4.0",
        "Qwen3-VL",
        f"curate models densefusion --fetch {tmp_path}",
    ):
        assert words in str(error.value)
    assert not hub.asked


def test_another_licence_than_a_permissive_one_is_refused_with_what_to_take_instead():
    with pytest.raises(PlanError, match=r"objects needs yolo11x\.pt, whose licence is AGPL-3\.0, .*Apache-2\.0"):
        check_licences(recipe("stic"), "permissive")
    with pytest.raises(PlanError, match=r"Qwen-Research, .*take Qwen/Qwen3-VL-4B-Instruct"):
        check_licences(recipe("sail_caption", "engine.model=Qwen/Qwen2.5-VL-3B-Instruct"), "permissive")
    check_licences(recipe("sail_caption"), "permissive")
    check_licences(recipe("stic", "objects=none", "pair_evidence=none", "min_pair_margin=none"), "permissive")
    check_licences(recipe("stic"), "any")


def test_a_model_of_several_stages_is_listed_once_with_all_of_them():
    models = models_of(recipe("densefusion"))
    writer = Needed(Weights("Qwen/Qwen3-VL-8B-Instruct"))
    assert models[writer] == ("dense_caption", "verify_objects", "repair_caption")


def test_models_behind_servers_are_nobodys_files():
    assert not models_of(recipe("sail_caption", "engine.servers=http://a:8000/v1", "engine.model=any"))
