"""The same weights elsewhere are the same stage; other weights are another."""

import pickle
from pathlib import Path

import pytest

from curate.errors import PlanError
from curate.models.weights import Weights, digest


def test_identity_is_name_and_content_not_place(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    for folder in ("a", "b"):
        (tmp_path / folder / "model.bin").write_bytes(b"weights")

    first, second = (repr(Weights(str(tmp_path / folder / "model.bin"))) for folder in ("a", "b"))
    (tmp_path / "b" / "model.bin").write_bytes(b"other weights")

    assert first == second
    assert first != repr(Weights(str(tmp_path / "b" / "model.bin")))


def test_a_folder_is_known_by_all_its_files(tmp_path):
    (tmp_path / "m").mkdir()
    (tmp_path / "m" / "one").write_bytes(b"1")
    before = repr(Weights(str(tmp_path / "m")))
    (tmp_path / "m" / "two").write_bytes(b"2")

    assert repr(Weights(str(tmp_path / "m"))) != before


def test_a_large_file_is_sampled_and_a_changed_block_is_seen(tmp_path, monkeypatch):
    monkeypatch.setattr("curate.models.weights.WHOLE", 1 << 20)
    path = tmp_path / "big"
    path.write_bytes(bytes(20 << 20))
    before = repr(Weights(str(path)))
    path.write_bytes(bytes(10 << 20) + b"\1" * (2 << 20) + bytes(8 << 20))

    assert repr(Weights(str(path))) != before


@pytest.mark.parametrize(
    ("where", "identity"),
    [
        ("org/model", "org/model"),
        ("org/model@0123abc", "org/model@0123abc"),
        ("laion2b_s34b_b79k", "laion2b_s34b_b79k"),
        ("Qwen/Qwen3-VL-8B-Instruct", "Qwen/Qwen3-VL-8B-Instruct@0c351dd01ed87e9c1b53cbc748cba10e6187ff3b"),
        ("Qwen/Qwen3-VL-8B-Instruct@main", "Qwen/Qwen3-VL-8B-Instruct@main"),
        ("yolo11x.pt", "yolo11x.pt@v8.4.0"),
        ("yolo11x.pt@v8.3.0", "yolo11x.pt@v8.3.0"),
        ("yolov8n.pt", "yolov8n.pt@v8.4.0"),
    ],
)
def test_a_name_is_known_by_its_revision_given_or_pinned(where, identity):
    assert repr(Weights(where)) == f"Weights({identity!r})"
    assert repr(Weights(*identity.split("@"))) == repr(Weights(where))


def test_missing_weights_are_one_sentence():
    for name in ("./nowhere/x.pt", "nowhere/x.pt", "x.safetensors"):
        with pytest.raises(PlanError, match=f"weights not found: {Path(name)}; give an existing file"):
            repr(Weights(name))


def test_a_relative_path_is_the_same_file_for_a_copy_in_another_working_directory(tmp_path, monkeypatch):
    (tmp_path / "model.bin").write_bytes(b"weights")
    (tmp_path / "elsewhere" / "org").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    weights, name = Weights("model.bin"), Weights("org")
    data, before = pickle.dumps((weights, name)), (repr(weights), repr(name))

    monkeypatch.chdir(tmp_path / "elsewhere")
    copies = pickle.loads(data)

    assert copies == (weights, name)
    assert tuple(map(repr, copies)) == before
    assert before == (f"Weights('model.bin', blake2b={digest(tmp_path / 'model.bin')})", "Weights('org')")
    assert copies[0].path().read_bytes() == b"weights"
    assert not copies[1].is_local()
