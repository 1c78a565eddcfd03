"""A model is found in the folder that was given, then in the caches of this machine."""

import pytest

from curate.errors import PlanError
from curate.models.places import (
    FetchedFile,
    FetchedModel,
    find_model,
    folder_of,
    is_offline,
    main_here,
    models_folder,
    own_folder,
    use_models_folder,
    write_index,
)
from curate.models.weights import Weights


@pytest.fixture(autouse=True)
def empty(tmp_path, monkeypatch):
    for name in ("CURATE_MODELS", "HF_HOME", "HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "YOLO_OFFLINE"):
        monkeypatch.setenv(name, "")
    monkeypatch.setenv("CURATE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))


def put(root, name="org/model", revision="abc", asked="abc", content=b"{}"):
    folder = folder_of(root, name, revision)
    folder.mkdir(parents=True)
    (folder / "config.json").write_bytes(content)
    write_index(folder, FetchedModel(name, revision, "MIT", asked, (FetchedFile("config.json", 2, "-"),)))
    return folder


def snapshot(tmp_path, *files, revision="abc"):
    folder = tmp_path / "hub" / "models--org--model" / "snapshots" / revision
    folder.mkdir(parents=True, exist_ok=True)
    for file in files:
        (folder / file).write_text("{}")
    return folder


def test_the_given_folder_comes_first_then_the_cache_then_that_of_the_hub(tmp_path, monkeypatch):
    hub = snapshot(tmp_path, "config.json", "model.safetensors")
    assert find_model("org/model", "abc") == hub
    own = put(own_folder())
    assert find_model("org/model", "abc") == own
    given = put(tmp_path / "given")
    monkeypatch.setenv("CURATE_MODELS", str(tmp_path / "given"))
    assert find_model("org/model", "abc") == given == Weights("org/model@abc").path()


def test_another_revision_is_another_model():
    put(own_folder())
    assert find_model("org/model", "abd") is None


def test_a_model_whose_files_have_other_sizes_is_not_there(tmp_path):
    put(own_folder(), content=b"{ }")
    assert find_model("org/model", "abc") is None


@pytest.mark.parametrize(
    ("files", "whole"),
    [
        (("config.json", "model.safetensors"), True),
        (("config.json",), False),
        (("model.safetensors",), False),
        (("config.json", "pytorch_model.bin"), True),
    ],
)
def test_a_snapshot_of_the_hubs_cache_counts_with_config_and_weights(tmp_path, files, whole):
    snapshot(tmp_path, *files)
    assert (find_model("org/model", "abc") is not None) == whole


def test_a_snapshot_that_lacks_a_shard_of_its_weights_is_not_whole(tmp_path):
    folder = snapshot(tmp_path, "config.json", "a.safetensors")
    (folder / "model.safetensors.index.json").write_text('{"weight_map": {"x": "a.safetensors", "y": "b.safetensors"}}')
    assert find_model("org/model", "abc") is None
    snapshot(tmp_path, "b.safetensors")
    assert find_model("org/model", "abc") == folder


def test_without_a_revision_it_is_what_was_fetched_as_main(tmp_path):
    assert main_here("org/model") == ""
    snapshot(tmp_path, "config.json", "model.safetensors", revision="cached")
    (tmp_path / "hub" / "models--org--model" / "refs").mkdir()
    (tmp_path / "hub" / "models--org--model" / "refs" / "main").write_text("cached\n")
    assert (main_here("org/model"), find_model("org/model", "").name) == ("cached", "cached")
    put(own_folder(), revision="a-pinned")
    main = put(own_folder(), revision="b-main", asked="main")
    assert (main_here("org/model"), find_model("org/model", "")) == ("b-main", main)


def test_a_models_folder_keeps_this_process_and_its_children_off_the_network(tmp_path, monkeypatch):
    import os

    assert not is_offline()
    use_models_folder("")
    assert models_folder() is None
    use_models_folder(str(tmp_path))
    assert is_offline()
    assert models_folder() == tmp_path
    assert {os.environ[name] for name in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE")} == {"1"}


def test_a_models_folder_that_is_not_there_says_how_to_fill_one(tmp_path):
    with pytest.raises(PlanError, match=r"models folder not found: .*; fill one with: curate models RECIPE --fetch"):
        use_models_folder(str(tmp_path / "none"))


def test_a_model_that_is_nowhere_says_how_to_bring_it():
    with pytest.raises(PlanError, match=r"org/model@abc is not in this machine; fetch it with `curate models RECIPE"):
        Weights("org/model@abc").path()
