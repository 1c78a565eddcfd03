"""croissant.json of `--to parquet` and `--to webdataset`, validated and read by mlcroissant."""

import hashlib
import io
import json

import mlcroissant as mlc
import numpy as np
import pytest
from etils import epath
from PIL import Image

RECOMMENDED = {"citeAs", "datePublished", "version"}  # what an export cannot know


@pytest.fixture(params=["parquet", "webdataset"])
def folder(request, export):
    return export("--to", request.param, "-p", "samples_per_shard=20")


@pytest.fixture(autouse=True)
def own_cache(monkeypatch, tmp_path):
    monkeypatch.setattr(
        "mlcroissant._src.operation_graph.operations.extract.EXTRACT_PATH", epath.Path(tmp_path) / "extracted"
    )


def test_it_is_valid_and_of_version_1_1(folder):
    data = mlc.Dataset(jsonld=str(folder / "croissant.json"))
    issues = data.metadata.ctx.issues
    assert not issues.errors
    assert {
        warning.partition('"')[2].partition('"')[0].rpartition("/")[2] for warning in issues.warnings
    } == RECOMMENDED
    assert data.metadata.ctx.conforms_to.value.endswith("/1.1")


def test_the_digests_are_those_of_the_files(folder):
    files = mlc.Dataset(jsonld=str(folder / "croissant.json")).metadata.file_objects
    assert sorted(each.content_url for each in files) == sorted(path.name for path in folder.glob("samples-*"))
    for each in files:
        assert each.sha256 == hashlib.sha256((folder / each.content_url).read_bytes()).hexdigest()


def test_every_record_of_the_parquet_files_is_ours(export, samples):
    folder = export("--to", "parquet", "-p", "samples_per_shard=20")
    records = list(mlc.Dataset(jsonld=str(folder / "croissant.json")).records("samples"))
    assert sorted(one["samples/uid"].decode() for one in records) == sorted(samples)
    for one in records:
        ours = samples[one["samples/uid"].decode()]
        assert one["samples/caption"].decode() == ours.row["caption"]
        assert one["samples/image_width_px"] == ours.row["image_width_px"]
        assert np.array_equal(one["samples/image"], Image.open(io.BytesIO(ours.image)))
        found = [each["samples/objects/label"].decode() for each in one["samples/objects"]]
        assert found == [each["label"] for each in ours.row["objects"]]


def test_the_members_of_the_tars_are_ours(export, samples):
    folder = export("--to", "webdataset", "-p", "samples_per_shard=20")
    data = mlc.Dataset(jsonld=str(folder / "croissant.json"))
    texts = {one["txt-records/uid"].decode(): one["txt-records/text"].decode() for one in data.records("txt-records")}
    assert texts == {uid: one.row["caption"] for uid, one in samples.items()}
    for one in data.records("json-records"):
        document = json.loads(one["json-records/document"])
        assert document["alt_text"] == samples[one["json-records/uid"].decode()].row["alt_text"]
    for one in data.records("jpg-records"):
        ours = samples[one["jpg-records/uid"].decode()]
        assert np.array_equal(one["jpg-records/image"], Image.open(io.BytesIO(ours.image)))
    columns = {one["columns/column"]: one["columns/made_by"] for one in data.records("columns")}
    assert columns.keys() == document.keys()
    assert columns["caption"].startswith("stage-")
