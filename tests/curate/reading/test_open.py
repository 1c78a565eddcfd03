"""Laws of `curate.open`: the kept samples with their own images, whatever holds them."""

import io
import json
import pickle

import numpy as np
import pytest
from PIL import Image
from rich.console import Console

import curate
from curate.errors import PlanError, SampleError
from curate.exports.export import export
from curate.exports.formats.parquet import Parquet
from curate.exports.formats.webdataset import WebDataset
from curate.inspect.query import query
from curate.pipeline import Pipeline
from curate.reading.samples import Samples
from curate.run.runner import RunRequest, run
from curate.stages import Gate
from curate.storage.store import Store
from tests.support.shards import write_shard
from tests.support.stages import AtLeast, Brightness, TextLength

KEPT = "dropped_by IS NULL AND error IS NULL"


@pytest.fixture(params=["dataset", "webdataset", "parquet"])
def opened(request, folder, tmp_path) -> Samples:
    formats = {"webdataset": WebDataset(samples_per_shard=2), "parquet": Parquet(samples_per_shard=4)}
    if request.param == "dataset":
        return curate.open(folder.store.root)
    export(folder.store, formats[request.param], str(tmp_path / "out"))
    return curate.open(str(tmp_path / "out"))


def test_every_kept_sample_once_with_its_own_image(opened, folder):
    kept = query(folder.store, f"SELECT uid, clip_score FROM samples WHERE {KEPT} ORDER BY shard, row").to_pylist()
    read = [(sample.uid, sample["clip_score"], sample.image_bytes()) for sample in opened]
    assert read == [(row["uid"], row["clip_score"], folder.images[row["uid"]]) for row in kept]
    assert len(opened) == len(kept)


def test_a_sample_by_number_and_by_uid(opened, folder):
    everything = list(opened)
    assert [opened[i].uid for i in range(-len(opened), 0)] == [sample.uid for sample in everything]
    found = opened[everything[3].uid]
    assert (found.columns, found.image_bytes()) == (everything[3].columns, everything[3].image_bytes())
    with pytest.raises(IndexError, match=f"there is no sample {len(opened)} of {len(opened)}"):
        opened[len(opened)]
    with pytest.raises(KeyError, match="has no sample 00ff"):
        opened["00ff"]


def test_it_pickles_and_reads_the_same(opened):
    again = pickle.loads(pickle.dumps(opened))
    assert [sample.image_bytes() for sample in again] == [sample.image_bytes() for sample in opened]


def test_tables_of_every_library_agree(opened):
    names = ["uid", "clip_score", "alt_text"]
    table = opened.to_arrow(names)
    assert table.to_pylist() == [{name: sample[name] for name in names} for sample in opened]
    assert opened.to_pandas(names)["alt_text"].tolist() == table["alt_text"].to_pylist()
    assert opened.to_polars(names)["uid"].to_list() == table["uid"].to_pylist()
    with opened.to_duckdb() as connection:
        assert connection.sql("SELECT uid, clip_score, alt_text FROM samples").to_arrow_table().equals(table)
    with pytest.raises(PlanError, match="has no column 'colour'; it has uid"):
        opened.to_arrow(["colour"])


def test_a_condition_chooses(folder, tmp_path):
    export(folder.store, WebDataset(samples_per_shard=3), str(tmp_path / "out"))
    for root in (folder.store.root, str(tmp_path / "out")):
        high = curate.open(root, where="clip_score > 0.35")
        assert high.to_arrow(["clip_score"])["clip_score"].to_pylist() == pytest.approx([0.4, 0.5] * 2)
        assert [Image.open(io.BytesIO(sample.image_bytes())).size for sample in high] == [(30, 20)] * 4
        assert len(curate.open(root, where="clip_score > 9")) == 0
        with pytest.raises(PlanError, match=r"where='colour = 1': .*colour"):
            curate.open(root, where="colour = 1")


def test_all_samples_of_a_run_with_what_became_of_them(folder):
    everything = curate.open(folder.store.root, kept=False)
    fates = {sample.uid: (sample["dropped_by"], sample["error"]) for sample in everything}
    rows = query(folder.store, "SELECT uid, dropped_by, error FROM samples").to_pylist()
    assert fates == {row["uid"]: (row["dropped_by"], row["error"]) for row in rows}
    broken = everything[folder.uid(0)]
    with pytest.raises(SampleError, match="no image"):
        broken.image_bytes()


def test_an_older_run_by_its_id(folder):
    runs = sorted(path.stem for path in (folder.store.local_path("runs")).glob("*.json"))
    assert len(curate.open(folder.store.root, run=runs[0])) < len(curate.open(folder.store.root, run=runs[1]))


def test_an_image_that_changed_is_not_given(own_folder):
    folder = own_folder
    samples = curate.open(folder.store.root)
    tar = sorted(folder.source.glob("*.tar"))[0]
    data = bytearray(tar.read_bytes())
    for sample in samples:
        place = data.find(folder.images[sample.uid])
        if place >= 0:
            data[place + 60] ^= 255
            break
    tar.write_bytes(data)
    with pytest.raises(SampleError, match="no longer holds the image that was measured"):
        samples[0].image_bytes()


def test_a_folder_that_is_neither(tmp_path, folder):
    with pytest.raises(PlanError, match=r"neither a dataset nor an export: it holds no runs/"):
        curate.open(str(tmp_path))
    export(folder.store, Parquet(), str(tmp_path / "out"))
    with pytest.raises(PlanError, match="is an export"):
        curate.open(str(tmp_path / "out"), kept=False)


def test_a_decoded_image_is_rgb(opened):
    pixels = np.asarray(opened[0].image())
    assert pixels.shape == (20, 30, 3)
    assert json.dumps(opened[0].columns)  # plain Python values


def test_what_a_gate_dropped_is_null_as_in_sql(tmp_path):
    write_shard(tmp_path / "in" / "00000.tar", ["a", "bb", "ccc", "dddd"])
    gated = [TextLength(adds_name="pair_length"), Gate("pair", AtLeast("pair_length", 3)), Brightness()]
    stages = Pipeline([*gated, TextLength(adds_name="pair_more")])
    run(RunRequest(stages, [str(tmp_path / "in")], str(tmp_path / "out"), local=True), Console(quiet=True))
    names = ["uid", "pair_length", "pair_more", "pair_dropped_by"]
    asked = query(Store(str(tmp_path / "out")), f'SELECT {", ".join(names)} FROM samples ORDER BY "row"')
    opened = curate.open(str(tmp_path / "out"))
    assert opened.to_arrow(names).to_pylist() == asked.to_pylist()
    assert [sample["pair_more"] for sample in opened] == [None, None, 3, 4]
