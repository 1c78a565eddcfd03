"""The folder of `--to parquet` and the tars of `--to webdataset`, read by HF datasets."""

import io
import itertools

import pyarrow.parquet as pq
import pytest
from datasets import Features, Image, load_dataset
from datasets.distributed import split_dataset_by_node
from PIL import Image as Pil
from torch.utils.data import DataLoader


@pytest.fixture(scope="module")
def folder(export):
    return export("--to", "parquet", "-p", "samples_per_shard=20")


@pytest.fixture(autouse=True)
def own_cache(monkeypatch, tmp_path):
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", str(tmp_path / "cache"))


def stream(folder):
    return load_dataset(str(folder), split="train", streaming=True)


def test_the_folder_loads_as_written_with_types_and_images(folder, samples, tmp_path):
    data = load_dataset(str(folder), split="train", cache_dir=str(tmp_path / "cache"))
    assert data.features["image"] == Image()
    assert data.features["image_phash"].dtype == "uint64"
    assert data.num_rows == len(samples)
    raw = data.cast_column("image", Image(decode=False))
    for one in raw.select_columns(["uid", "image", "caption", "objects"]):
        ours = samples[one["uid"]]
        assert one["image"]["bytes"] == ours.image
        assert (one["caption"], one["objects"]) == (ours.row["caption"], ours.row["objects"])
    first = data[0]
    assert first["image"].size == Pil.open(io.BytesIO(samples[first["uid"]].image)).size


@pytest.mark.parametrize("format_", ["parquet", "webdataset"])
def test_the_card_gives_the_folder_its_splits_and_features(export, samples, tmp_path, format_):
    folder = export("--to", format_, "-p", "samples_per_shard=20", "--split", "train=0.8,val=0.2")
    data = load_dataset(str(folder), cache_dir=str(tmp_path / "cache"))
    assert sorted(data) == ["train", "val"]
    key = {"parquet": "uid", "webdataset": "__key__"}[format_]
    assert sorted(data["train"][key][:] + data["val"][key][:]) == sorted(samples)
    assert next(iter(load_dataset(str(folder), split="val", streaming=True)))[key] == data["val"][0][key]
    if format_ == "parquet":
        file = next(folder.glob("*.parquet"))
        assert data["train"].features == Features.from_arrow_schema(pq.read_schema(file))
    else:
        row = data["train"][0]
        assert row["jpg"].size == Pil.open(io.BytesIO(samples[row[key]].image)).size
        assert row["json"]["alt_text"] == samples[row[key]].row["alt_text"]


def test_weighted_captions_arrive_as_a_list(export, samples, tmp_path):
    folder = export("--to", "webdataset", "-p", "captions=caption:0.7,alt_text:0.3")
    data = load_dataset(str(folder), split="train", cache_dir=str(tmp_path / "cache"))
    for document in data["json"]:
        row = samples[document["uid"]].row
        assert [each["text"] for each in document["captions"]] == [row["caption"], row["alt_text"]]
        assert [each["weight"] for each in document["captions"]] == [0.7, 0.3]


def test_a_stream_is_shuffled_split_by_node_and_read_by_workers_once(folder, samples):
    read = []
    for rank in range(2):
        part = split_dataset_by_node(stream(folder).select_columns(["uid"]).shuffle(seed=3, buffer_size=50), rank, 2)
        read += [uid for batch in DataLoader(part, batch_size=4, num_workers=2) for uid in batch["uid"]]
    assert sorted(read) == sorted(samples)
    assert read != sorted(read, key=list(samples).index)


def test_a_stream_goes_on_in_the_middle_of_an_epoch(folder, samples):
    whole = [one["uid"] for one in stream(folder)]
    first = stream(folder)
    before = [one["uid"] for one in itertools.islice(first, 30)]
    again = stream(folder)
    again.load_state_dict(first.state_dict())
    assert before + [one["uid"] for one in again] == whole
    assert sorted(whole) == sorted(samples)


@pytest.mark.parametrize("streaming", [False, True])
def test_the_tars_load_as_webdataset(export, samples, streaming, tmp_path):
    tars = export("--to", "webdataset", "-p", "samples_per_shard=20")
    files = {"train": str(tars / "*.tar")}
    data = load_dataset(
        "webdataset", data_files=files, split="train", streaming=streaming, cache_dir=str(tmp_path / "cache")
    )
    for one in data.cast_column("jpg", Image(decode=False)):
        ours = samples[one["__key__"]]
        assert one["jpg"]["bytes"] == ours.image
        assert one["txt"] == ours.row["caption"]
        assert one["json"]["alt_text"] == ours.row["alt_text"]
