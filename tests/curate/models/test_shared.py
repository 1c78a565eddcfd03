"""Workers of one machine map one copy of the weights."""

import psutil
import pytest
import torch

from curate.models.shared import share_weights


def mapped_files():
    return [each.path for each in psutil.Process().memory_maps() if each.path.endswith("weights.safetensors")]


def test_a_model_reads_its_weights_from_a_mapped_file_and_computes_the_same(tmp_path, monkeypatch):
    monkeypatch.setenv("CURATE_CACHE", str(tmp_path))
    model, x = torch.nn.Linear(512, 512).bfloat16(), torch.ones(1, 512, dtype=torch.bfloat16)
    with torch.inference_mode():
        before = model(x)
    share_weights(model, "a linear layer", "clip")

    assert any(path.startswith(str(tmp_path)) for path in mapped_files())
    with torch.inference_mode():
        assert torch.equal(model(x), before)


def test_weights_of_another_identity_are_another_file(tmp_path, monkeypatch):
    monkeypatch.setenv("CURATE_CACHE", str(tmp_path))
    one, two = torch.nn.Linear(4, 4), torch.nn.Linear(4, 4)
    kept = two.weight.clone()
    share_weights(one, "one", "clip")
    share_weights(two, "two", "clip")

    assert torch.equal(two.weight, kept)
    assert len(list(tmp_path.glob("weights/*/weights.safetensors"))) == 2


def test_a_cache_that_cannot_be_written_leaves_the_model_as_it_is(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("CURATE_CACHE", str(tmp_path / "file"))
    model = torch.nn.Linear(4, 4)
    kept = model.weight.clone()
    share_weights(model, "one", "clip")

    assert torch.equal(model.weight, kept)


pytestmark = pytest.mark.models
