"""`curate models` as a user calls it: what a recipe needs, one fetch, and runs without a network from then on."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.hub import folder_files, local_hub

ROOT = Path(__file__).parent.parent.parent
NO_NETWORK = "http://127.0.0.1:9"
QWEN, CLIP = "Qwen/Qwen3-VL-8B-Instruct", "laion/CLIP-ViT-L-14-DataComp.XL-s13B-b90K"
COMMITS = {QWEN: "0c351dd01ed87e9c1b53cbc748cba10e6187ff3b", CLIP: "84c9828e63dc9a9351d1fe637c346d4c1c4db341"}
OWN = """
from curate.captions.prompting.hints import Hints
from curate.engines.chat_model import ChatModel
from curate.experts.clip import Clip
from curate.experts.dense_caption import DenseCaption
from curate.experts.objects import Objects
from curate.models.weights import Weights
from curate.pipeline import Pipeline


def detect() -> Pipeline:
    return Pipeline([Objects(Weights("yolo11s.pt"), image_size_px=320)])


def three() -> Pipeline:
    caption = DenseCaption(ChatModel("Qwen/Qwen3-VL-8B-Instruct").build(), hints=Hints(blocks=()))
    return Pipeline([Clip("ViT-L-14", Weights("datacomp_xl_s13b_b90k")), Objects(Weights("yolo11x.pt")), caption])
"""


def curate(*arguments, hub=NO_NETWORK, **environment):
    command = [sys.executable, "-m", "curate.cli", *map(str, arguments)]
    own = {"HF_ENDPOINT": hub, "CURATE_ULTRALYTICS_URL": f"{hub}/releases", "PYTHONPATH": str(ROOT), **environment}
    kept = {name: value for name, value in os.environ.items() if name not in ("CURATE_MODELS", "HF_HUB_OFFLINE")}
    return subprocess.run(
        command, capture_output=True, text=True, cwd=ROOT, timeout=400, check=False, env={**kept, **own}
    )


@pytest.fixture(scope="module")
def fetched(tmp_path_factory):
    """Return a models folder that was filled from a hub, the hub's address when it is gone, and an empty cache."""
    folder = tmp_path_factory.mktemp("fetched")
    (folder / "own.py").write_text(OWN)
    clip = {"open_clip_pytorch_model.bin": b"weights", "open_clip_config.json": b"{}", "README.md": b"card"}
    files = {QWEN: folder_files(ROOT / "nano" / "vlm"), CLIP: clip}
    detector = (ROOT / "nano" / "detector" / "nano-yolo.pt").read_bytes()
    with local_hub(files, {"v8.4.0": {"yolo11x.pt": detector, "yolo11s.pt": detector}}, commits=COMMITS) as hub:
        for recipe in ("three", "detect"):
            result = curate("models", f"{folder}/own.py:{recipe}", "--fetch", folder / "models", hub=hub.url)
            assert result.returncode == 0, result.stderr
    return folder, {"CURATE_CACHE": str(folder / "cache"), "HF_HOME": str(folder / "hf")}


def test_models_lists_what_a_recipe_needs_and_that_it_is_not_here(tmp_path):
    result = curate("models", "densefusion", CURATE_CACHE=str(tmp_path), HF_HOME=str(tmp_path))

    assert result.returncode == 0, result.stderr
    lines = {line.split()[0]: line for line in result.stdout.splitlines() if line and line[0].isalpha()}
    for stage, words in {
        "clip": (CLIP, "MIT", COMMITS[CLIP][:12], "not here"),
        "objects": ("yolo11x.pt", "114.6 MB", "AGPL-3.0", "v8.4.0", "not here"),
        "ocr": ("PP-OCRv6", "Apache-2.0", "in the rapidocr wheel"),
        "dense_caption,": (QWEN, "17.53 GB", "Apache-2.0", COMMITS[QWEN][:12], "not here"),
    }.items():
        assert all(word in lines[stage] for word in words), lines[stage]


@pytest.mark.parametrize("recipe", ["densefusion", "stic", "caption_qa", "sail_caption"])
def test_without_network_and_models_a_recipe_says_in_one_sentence_how_to_bring_them(tmp_path, recipe):
    tar = ROOT / "nano" / "shards" / "world-000000.tar"
    extra = ["-p", "uncalibrated=true"] if recipe == "sail_caption" else []
    result = curate(
        "run",
        recipe,
        "-i",
        tar,
        "-d",
        tmp_path / "d",
        "--local",
        *extra,
        CURATE_CACHE=str(tmp_path),
        HF_HOME=str(tmp_path),
    )

    last = result.stderr.strip().splitlines()[-1]
    assert result.returncode == 2
    assert last.startswith("error: ")
    assert "is not on this machine, and 127.0.0.1:9 does not answer" in last
    assert f"curate models {recipe} --fetch DIR" in last


def test_a_second_fetch_needs_no_network(fetched):
    folder, environment = fetched
    result = curate("models", f"{folder}/own.py:three", "--fetch", folder / "models", **environment)

    assert result.returncode == 0, result.stderr
    assert result.stderr.count(": there, ") == 3
    assert f"curate run {folder}/own.py:three ... --models {folder}/models" in result.stdout


def test_from_a_models_folder_all_is_found_without_network(fetched):
    folder, environment = fetched
    for arguments, more in ((["--models", folder / "models"], {}), ([], {"CURATE_MODELS": str(folder / "models")})):
        result = curate("models", f"{folder}/own.py:three", *arguments, **environment, **more)
        assert result.stdout.count("in the models folder") == 3, result.stdout + result.stderr


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["models", "stic", "-p", "detector.weights=yolo11q.pt"], "ultralytics publishes no yolo11q.pt"),
        (["models", "densefusion", "-p", "clip.weights=datacomp_xl"], "did you mean datacomp_xl_s13b_b90k?"),
        (["models", "sail_caption", "-p", "engine.model=Qwen3-VL-8B-Instruct"], f"did you mean {QWEN}?"),
        (["models", "stic", "--licences", "permissive"], "objects needs yolo11x.pt, whose licence is AGPL-3.0"),
        (["models", "stic", "--models", "{tmp}/none"], "models folder not found"),
        (["models", "sail_caption", "--fetch", "/proc/none"], "cannot be made"),
        (
            ["run", "stic", "-i", "{tar}", "-d", "{tmp}/d", "--licences", "permissive"],
            "only permissive ones are allowed",
        ),
        (
            ["retry", "stic", "-i", "{tar}", "-d", "{tmp}/d", "--licences", "permissive"],
            "only permissive ones are allowed",
        ),
        (
            ["calibrate", "stic", "{tar}", "--out", "{tmp}/o.json", "--licences", "permissive"],
            "only permissive ones are allowed",
        ),
        (["plan", "stic", "-i", "{tar}", "-d", "{tmp}/d", "-p", "engine.model=a/b/c"], "neither a folder here nor"),
        (["run", "stic", "-i", "{tar}", "-d", "{tmp}/d", "--models", "{tmp}"], "not in the models folder {tmp}"),
    ],
)
def test_a_wrong_model_is_one_sentence_and_exit_code_2(tmp_path, arguments, sentence):
    places = {"{tar}": str(ROOT / "nano" / "shards" / "world-000000.tar"), "{tmp}": str(tmp_path)}
    for name, place in places.items():
        arguments = [argument.replace(name, place) for argument in arguments]
        sentence = sentence.replace(name, place)
    result = curate(*arguments, CURATE_CACHE=str(tmp_path / "c"), HF_HOME=str(tmp_path / "c"))

    assert result.returncode == 2
    assert result.stderr.startswith("error: ")
    assert sentence in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1


@pytest.mark.models
@pytest.mark.ray
@pytest.mark.parametrize("local", [["--local"], []])
def test_a_run_takes_its_models_from_the_folder_in_every_worker(fetched, tmp_path, local):
    folder, environment = fetched
    tar = ROOT / "nano" / "shards" / "world-000000.tar"
    rest = ["-i", tar, "-d", tmp_path / "d", "--limit", "4", "--models", folder / "models", *local]
    result = curate("run", f"{folder}/own.py:detect", *rest, **environment)

    assert result.returncode == 0, result.stderr
    found = curate("query", tmp_path / "d", "SELECT sum(len(objects)) AS n FROM samples", "--format", "csv")
    assert int(found.stdout.split()[-1]) > 0


@pytest.mark.models
def test_a_models_folder_may_be_copied_elsewhere(fetched, tmp_path):
    folder, environment = fetched
    shutil.copytree(folder / "models", tmp_path / "copy")
    result = curate("models", f"{folder}/own.py:three", "--models", tmp_path / "copy", **environment)
    assert result.stdout.count("in the models folder") == 3
