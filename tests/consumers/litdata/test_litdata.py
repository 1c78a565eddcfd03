"""The chunks of `--to litdata`, read by LitData's StreamingDataset and StreamingDataLoader."""

import json

import pytest
from litdata import StreamingDataLoader, StreamingDataset

CHUNKS = ("--to", "litdata", "-p", "samples_per_shard=8", "-p", 'columns=["alt_text"]')


@pytest.fixture(scope="module")
def folder(export):
    return export(*CHUNKS)


@pytest.fixture(autouse=True)
def own_cache(monkeypatch, tmp_path):
    monkeypatch.setenv("DATA_OPTIMIZER_CACHE_FOLDER", str(tmp_path / "cache"))


def uids(loader):
    return [one["uid"] for batch in loader for one in batch]


def as_lists(batch):
    """LitData gives bytes as views of its chunk, which no worker can send."""
    return [{**one, "image": bytes(one["image"])} for one in batch]


def loader_of(folder, workers):
    """Return a loader that leaves batches as lists: images of all sizes cannot be stacked."""
    data = StreamingDataset(str(folder), shuffle=True, seed=5, drop_last=False)
    return StreamingDataLoader(data, batch_size=4, num_workers=workers, collate_fn=as_lists)


def test_every_image_and_text_is_ours(folder, samples):
    data = StreamingDataset(str(folder))
    assert len(data) == len(samples)
    for i in range(len(data)):
        one, ours = data[i], samples[data[i]["uid"]]
        assert list(one) == ["alt_text", "image", "json", "text", "uid"]
        assert one["image"] == ours.image
        assert (one["text"], one["alt_text"]) == (ours.row["caption"], ours.row["alt_text"])
        assert json.loads(one["json"])["image_width_px"] == ours.row["image_width_px"]


@pytest.mark.parametrize("workers", [0, 2])
def test_a_shuffled_epoch_has_every_sample_once(folder, samples, workers):
    read = uids(loader_of(folder, workers))
    assert sorted(read) == sorted(samples)
    assert read != sorted(read, key=list(samples).index)


def test_two_ranks_read_every_sample_once(folder, samples, monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("NNODES", "1")
    parts = []
    for rank in range(2):
        monkeypatch.setenv("GLOBAL_RANK", str(rank))
        parts.append(uids(loader_of(folder, 2)))
        assert 0 < len(parts[-1]) < len(samples)
    assert sorted(parts[0] + parts[1]) == sorted(samples)


@pytest.mark.parametrize("workers", [0, 2])
def test_a_loader_goes_on_in_the_middle_of_an_epoch(folder, samples, workers):
    whole, first = uids(loader_of(folder, workers)), loader_of(folder, workers)
    batches = iter(first)
    before = uids(next(batches) for _ in range(5))
    again = loader_of(folder, workers)
    again.load_state_dict(first.state_dict())
    after = uids(again)
    assert before == whole[:20]
    assert sorted(before + after) == sorted(samples)
