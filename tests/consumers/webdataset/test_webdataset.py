"""The tars of `--to webdataset`, read by webdataset with nodes and workers, and by wids through its index."""

import json
import random

import pytest
import torch.distributed as dist
import webdataset as wds
import wids
from torch.utils.data import DataLoader

from tests.consumers.conftest import ROOT

PAGE = ROOT / "docs" / "consumers.md"
TARS = ("--to", "webdataset", "-p", "samples_per_shard=8")


@pytest.fixture(scope="module")
def folder(export):
    return export(*TARS)


@pytest.fixture(scope="module")
def one_process(tmp_path_factory):
    """Start torch.distributed, which wids asks for the rank, with one process."""
    store = tmp_path_factory.mktemp("store") / "file"
    dist.init_process_group("gloo", init_method=f"file://{store}", rank=0, world_size=1)
    yield
    dist.destroy_process_group()


def urls(folder):
    return [str(path) for path in sorted(folder.glob("*.tar"))]


def keys(batches):
    return [key for batch in batches for key in batch["__key__"]]


def test_every_image_and_text_is_ours(folder, samples):
    read = list(wds.WebDataset(urls(folder), shardshuffle=False))
    assert {one["__key__"] for one in read} == set(samples)
    for one in read:
        ours = samples[one["__key__"]]
        assert one["jpg"] == ours.image
        assert one["txt"].decode() == ours.row["caption"]
        assert json.loads(one["json"])["alt_text"] == ours.row["alt_text"]


def test_a_caption_is_drawn_by_its_weight_as_the_page_says(export, samples):
    code = PAGE.read_text().partition("import random\n")[2].partition("```")[0]
    folder = export("--to", "webdataset", "-p", "captions=caption:0.75,alt_text:0.25")
    names: dict = {"random": random, "webdataset": wds}
    exec(
        compile(code.replace("OUT/samples-{000000..000013}.tar", str(next(folder.glob("*.tar")))), "page", "exec"),
        names,
    )
    random.seed(0)
    drawn = [(one["__key__"], one["txt"]) for _ in range(5) for one in names["data"]]
    assert {key for key, _ in drawn} == set(samples)
    same = [text == samples[key].row["caption"] for key, text in drawn]
    assert all(text in (samples[key].row["caption"], samples[key].row["alt_text"]) for key, text in drawn)
    assert sum(same) / len(same) == pytest.approx(0.75, abs=0.08)


@pytest.mark.parametrize("workers", [0, 2])
def test_two_nodes_and_their_workers_read_every_sample_once(folder, samples, monkeypatch, workers):
    monkeypatch.setenv("WORLD_SIZE", "2")
    read = []
    for rank in range(2):
        monkeypatch.setenv("RANK", str(rank))
        dataset = wds.WebDataset(urls(folder), shardshuffle=100, nodesplitter=wds.split_by_node, seed=3)
        loader = DataLoader(dataset.shuffle(20), batch_size=None, num_workers=workers)
        part = [sample["__key__"] for sample in loader]
        assert 0 < len(part) < len(samples)
        read += part
    assert sorted(read) == sorted(samples)
    assert read != sorted(read, key=list(samples).index)


def test_wids_reads_by_index_what_the_source_holds(folder, samples, tmp_path):
    data = wids.ShardListDataset(str(folder / "index.json"), cache_dir=str(tmp_path), transformations=[])
    assert len(data) == len(samples)
    for i in range(len(data)):
        one = data[i]
        assert one[".jpg"].read() == samples[one["__key__"]].image
        assert one[".txt"].read().decode() == samples[one["__key__"]].row["caption"]


def test_wids_decodes_images_texts_and_documents(folder, samples, tmp_path):
    one = wids.ShardListDataset(str(folder / "index.json"), cache_dir=str(tmp_path))[5]
    ours = samples[one["__key__"]].row
    assert one[".jpg"].size == (ours["image_width_px"], ours["image_height_px"])
    assert (one[".txt"], one[".json"]["alt_text"]) == (ours["caption"], ours["alt_text"])


def test_wids_splits_shuffles_and_goes_on_in_the_middle(folder, samples, tmp_path, one_process):
    data = wids.ShardListDataset(str(folder / "index.json"), cache_dir=str(tmp_path), transformations=[])
    orders = []
    for rank in range(2):
        sampler = wids.DistributedChunkedSampler(data, num_replicas=2, rank=rank, seed=7, chunksize=20)
        order = list(sampler)
        again = wids.DistributedChunkedSampler(data, num_replicas=2, rank=rank, seed=7, chunksize=20)
        assert list(again)[5:] == order[5:], "the order is a function of the seed, so a trainer skips what it had"
        loader = DataLoader(data, sampler=order, batch_size=4, num_workers=2, collate_fn=key_lists)
        assert keys(loader) == [data[i]["__key__"] for i in order]
        assert order != sorted(order)
        orders += order
    assert sorted(orders) == list(range(len(samples)))


def key_lists(batch):
    return {"__key__": [sample["__key__"] for sample in batch]}
