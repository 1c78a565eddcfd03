"""The shards of `--to mds`, read by MosaicML streaming's StreamingDataset, and compared with what its writer writes."""

import json

import pytest
from streaming import MDSWriter, StreamingDataLoader, StreamingDataset
from streaming.base.util import clean_stale_shared_memory

SHARDS = ("--to", "mds", "-p", "samples_per_shard=8", "-p", 'columns=["alt_text"]')
COLUMNS = {"image": "bytes", "text": "str", "uid": "str", "json": "str", "alt_text": "str"}


@pytest.fixture(scope="module")
def folder(export):
    return export(*SHARDS)


@pytest.fixture(autouse=True)
def no_memory_of_others():
    clean_stale_shared_memory()


def loader(folder, workers=0, batch=4):
    data = StreamingDataset(
        local=str(folder), batch_size=batch, shuffle=True, shuffle_seed=3, num_canonical_nodes=2, validate_hash="sha256"
    )
    return StreamingDataLoader(data, batch_size=batch, num_workers=workers)


def uids(batches):
    return [uid for batch in batches for uid in batch["uid"]]


def test_every_image_and_text_is_ours(folder, samples):
    data = StreamingDataset(local=str(folder), batch_size=1, validate_hash="sha256")
    assert len(data) == len(samples)
    for one in data:
        ours = samples[one["uid"]]
        assert one["image"] == ours.image
        assert (one["text"], one["alt_text"]) == (ours.row["caption"], ours.row["alt_text"])
        assert json.loads(one["json"])["image_width_px"] == ours.row["image_width_px"]


def test_the_files_are_those_of_its_own_writer(export, tmp_path):
    ours = export("--to", "mds", "-p", 'columns=["alt_text"]')
    data = StreamingDataset(local=str(ours), batch_size=1)
    with MDSWriter(columns=COLUMNS, out=str(tmp_path / "theirs"), hashes=["sha256"]) as writer:
        for i in range(len(data)):
            writer.write(data[i])
    theirs = {path.name: path.read_bytes() for path in (tmp_path / "theirs").iterdir()}
    assert sorted(theirs) == ["index.json", "shard.00000.mds"]
    assert theirs == {name: (ours / name).read_bytes() for name in theirs}


@pytest.mark.parametrize("workers", [0, 2])
def test_a_shuffled_epoch_has_every_sample(folder, samples, workers):
    read = uids(loader(folder, workers))
    assert set(read) == set(samples)
    assert len(read) - len(samples) < 8, "streaming repeats a few, so that all nodes have as many"
    assert read != sorted(read, key=list(samples).index)


def test_a_loader_goes_on_in_the_middle_of_an_epoch(folder):
    whole = uids(loader(folder))
    clean_stale_shared_memory()
    first = loader(folder)
    batches = iter(first)
    before = [uid for _ in range(5) for uid in next(batches)["uid"]]
    state = first.state_dict()
    del batches, first
    clean_stale_shared_memory()
    again = loader(folder)
    again.load_state_dict(state)
    assert before + uids(again) == whole
