"""A checkpoint of another kind is told from the file itself, before anything loads it."""

import json
import os
import pickle
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from curate.errors import PlanError
from curate.experts.clip import Clip
from curate.experts.objects import Objects
from curate.models.checkpoints import check_chat_model, check_ultralytics, pickled_classes
from curate.models.package_lists import clip_models, clip_tags, ultralytics_files
from curate.models.weights import Weights

NANO_CLIP = ("nano/clip/nano-clip.json", "nano/clip/nano-clip.safetensors")


def checkpoint(path: Path, *lines: bytes) -> Weights:
    """Write what PyTorch would: a zip with a pickle that names classes."""
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", b"\x80\x02" + b"".join(b"c" + line + b"\n" for line in lines) + b".")
    return Weights(str(path))


@pytest.mark.parametrize(
    ("kind", "words"),
    [("ClassificationModel", "classifies whole images"), ("OBBModel", "finds rotated boxes")],
)
def test_a_yolo_that_finds_no_boxes_is_no_detector(tmp_path, kind, words):
    weights = checkpoint(tmp_path / "best.pt", b"ultralytics.nn.tasks\n" + kind.encode())
    with pytest.raises(PlanError, match=rf"best\.pt is no detector, it {words} \({kind}\)"):
        Objects(weights).check()


def test_a_checkpoint_of_another_library_is_named(tmp_path):
    with pytest.raises(PlanError, match="is no checkpoint of ultralytics"):
        check_ultralytics("Objects", checkpoint(tmp_path / "a.pt", b"torch._utils\n_rebuild_tensor_v2"))


def test_a_file_that_is_no_checkpoint_is_named(tmp_path):
    (tmp_path / "a.pt").write_bytes(b"<html>not found</html>")
    with pytest.raises(PlanError, match="is no PyTorch checkpoint, or it was cut off"):
        check_ultralytics("Objects", Weights(str(tmp_path / "a.pt")))


def test_classes_are_read_and_nothing_of_the_checkpoint_is_run(tmp_path):
    class Trap:
        def __reduce__(self):
            return (Path.touch, (tmp_path / "sprung",))

    for protocol in (2, 4):
        with zipfile.ZipFile(tmp_path / "trap.pt", "w") as archive:
            archive.writestr("x/data.pkl", pickle.dumps(Trap(), protocol))
        assert any(name.endswith("touch") or name == "getattr" for _, name in pickled_classes(tmp_path / "trap.pt"))
    assert not (tmp_path / "sprung").exists()


def test_the_nano_models_are_what_they_are():
    Objects(Weights("nano/detector/nano-yolo.pt"), image_size_px=320).check()
    Clip(NANO_CLIP[0], Weights(NANO_CLIP[1])).check()
    check_chat_model(Weights("nano/vlm"))


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("yolo11q.pt", "ultralytics publishes no yolo11q.pt, and no such file exists, did you mean"),
        ("yolo11x.pt.pt", "did you mean yolo11x"),
        ("yolo11x-cls.pt", "is no detector"),
        ("sam_b.pt", "is no detector"),
    ],
)
def test_a_name_that_ultralytics_does_not_know_or_that_finds_no_boxes_is_named(name, words):
    with pytest.raises(PlanError, match=words):
        Objects(Weights(name)).check()


def test_a_name_may_leave_out_the_ending():
    assert Objects(Weights("yolo11x")) == Objects(Weights("yolo11x.pt"))
    Objects(Weights("yolo11x")).check()


def test_safetensors_of_another_clip_are_named_by_the_first_shape_that_differs():
    with pytest.raises(
        PlanError, match=r"is of another model than ViT-B-32: visual.conv1.weight is \[.*\], not \[768, 3"
    ):
        Clip("ViT-B-32", Weights(NANO_CLIP[1])).check()


def test_safetensors_that_hold_no_clip_are_named():
    with pytest.raises(PlanError, match="holds no open_clip model"):
        Clip("ViT-B-32", Weights("nano/vlm/model.safetensors")).check()


def test_a_safetensors_file_that_was_cut_off_is_named(tmp_path):
    whole = Path(NANO_CLIP[1]).read_bytes()
    for part in (whole[:-1], whole[:100], b""):
        (tmp_path / "cut.safetensors").write_bytes(part)
        with pytest.raises(PlanError, match="cut off"):
            Clip(NANO_CLIP[0], Weights(str(tmp_path / "cut.safetensors"))).check()


@pytest.mark.parametrize(
    ("model", "tag", "words"),
    [
        ("ViT-L14", "openai", "no model 'ViT-L14'.*did you mean ViT-L-14"),
        ("ViT-L-14", "datacomp_xl", "no pretrained tag 'datacomp_xl', did you mean datacomp_xl_s13b_b90k"),
        ("ViT-H-14", "openai", "no pretrained tag 'openai'.*its tags are .*laion2b_s32b_b79k"),
        ("ViT-B-32", "openai", "trained with QuickGELU.*give the model ViT-B-32-quickgelu"),
        ("hf-hub:nobody", "", "'nobody' is neither a folder here nor a model of a hub"),
    ],
)
def test_an_unknown_clip_is_named_with_what_is_near(model, tag, words):
    with pytest.raises(PlanError, match=words):
        Clip(model, Weights(tag)).check()


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("Qwen3-VL-8B-Instruct", "did you mean Qwen/Qwen3-VL-8B-Instruct"),
        ("a/b/c", "is neither a folder here nor a model of a hub"),
        ("s3://bucket/model", "is neither a folder here nor a model of a hub"),
    ],
)
def test_a_chat_model_has_the_form_of_a_hubs_id(name, words):
    with pytest.raises(PlanError, match=words):
        check_chat_model(Weights(name))


def test_a_folder_that_is_no_chat_model_is_named(tmp_path):
    folder = tmp_path / "m"
    folder.mkdir()
    weights = Weights(str(folder))
    for content, words in ((None, "has no config.json"), ("{", "is not JSON"), ("{}", "names no architectures")):
        if content:
            (folder / "config.json").write_text(content)
        with pytest.raises(PlanError, match=words):
            check_chat_model(weights)
    (folder / "config.json").write_text(json.dumps({"architectures": ["M"]}))
    check_chat_model(weights)
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": {"x": "model-1.safetensors"}}))
    with pytest.raises(PlanError, match=r"lacks model-1\.safetensors"):
        check_chat_model(weights)
    shutil.copy("nano/detector/nano-yolo.pt", tmp_path / "y.pt")
    with pytest.raises(PlanError, match="is a file; vLLM loads a folder"):
        check_chat_model(Weights(str(tmp_path / "y.pt")))


@pytest.mark.models
def test_names_read_from_the_packages_source_are_those_that_the_packages_know(tmp_path):
    names = "sorted(d.GITHUB_ASSETS_NAMES), p._PRETRAINED, sorted(open_clip.list_models())"
    read = "import json, open_clip, open_clip.pretrained as p, ultralytics.utils.downloads as d; "
    done = subprocess.run(  # other tests teach open_clip models of their own
        [sys.executable, "-c", f"{read}print(json.dumps([{names}]))"],
        env={**os.environ, "YOLO_CONFIG_DIR": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    files, tags, models = json.loads(done.stdout.splitlines()[-1])

    assert sorted(ultralytics_files()) == files
    assert json.loads(json.dumps(clip_tags())) == tags
    assert sorted(clip_models()) == models
