"""Laws of shuffles and splits: nothing is lost, nothing depends on chance, sources are read forward."""

import numpy as np
import pyarrow.parquet as pq
import pytest

from curate.errors import PlanError
from curate.exports.export import export
from curate.exports.formats.parquet import Parquet
from curate.exports.index import INDEX
from curate.exports.layout import Reads
from curate.exports.planning import plan_parts
from curate.exports.selection import select
from curate.exports.settings import ExportSettings, read_splits
from curate.inspect.view import run_view
from tests.support.dataset_folder import make_dataset


@pytest.fixture(scope="module")
def wide(tmp_path_factory):
    """Give a dataset of two shards with 37 kept samples each."""
    return make_dataset(tmp_path_factory.mktemp("wide"), samples=40, captions=False)


def plan(folder, settings, reads=None, where=None):
    with select(run_view(folder.store), where) as selection:
        return plan_parts(selection, reads or Reads(10), settings)


def samples(part):
    return [(part.shards[of], row) for of, row in zip(part.of.tolist(), part.rows.tolist(), strict=True)]


def test_a_shuffle_mixes_shards_and_reads_each_of_them_forward(wide):
    plain = [s for part in plan(wide, ExportSettings()) for s in samples(part)]
    parts = plan(wide, ExportSettings(shuffle=1))
    shuffled = [s for part in parts for s in samples(part)]
    assert plain == sorted(plain)
    assert shuffled != plain
    assert sorted(shuffled) == plain
    assert all({shard for shard, _ in samples(part)} == {0, 1} for part in parts)
    for part in parts:
        for shard in (0, 1):
            assert (np.diff([row for of, row in samples(part) if of == shard]) > 0).all()


def test_a_seed_gives_one_order_and_another_seed_another(wide):
    first, again, other = ([samples(part) for part in plan(wide, ExportSettings(shuffle=seed))] for seed in (1, 1, 2))
    assert first == again
    assert first != other


def test_the_split_of_a_sample_does_not_depend_on_the_others(wide):
    settings = ExportSettings(splits=(("train", 0.5), ("val", 0.5)))
    whole = {s: part.part.split for part in plan(wide, settings) for s in samples(part)}
    some = {s: part.part.split for part in plan(wide, settings, where='"row" % 3 = 0') for s in samples(part)}
    assert some.items() <= whole.items()
    assert 20 < sum(split == "train" for split in whole.values()) < 54
    assert 0 < len(some) < len(whole)


def test_parts_are_bounded_by_samples_and_bytes(wide):
    by_samples = plan(wide, ExportSettings())
    assert [len(part.rows) for part in by_samples] == [10] * 7 + [4]
    assert [part.part.number for part in by_samples] == list(range(8))
    by_bytes = plan(wide, ExportSettings(), Reads(1_000, most_bytes=3_000))
    assert all(part.image_bytes <= 3_000 or len(part.rows) == 1 for part in by_bytes)
    assert sum(part.image_bytes for part in by_bytes) == sum(part.image_bytes for part in by_samples)
    assert [len(part.rows) for part in plan(wide, ExportSettings(), Reads(9, most_bytes=1))] == [1] * 74


def test_a_shuffled_export_holds_each_image_where_the_index_says(wide, tmp_path):
    settings = ExportSettings(shuffle=5, splits=(("train", 0.8), ("val", 0.2)))
    export(wide.store, Parquet(samples_per_shard=9), str(tmp_path / "out"), settings=settings)
    files = {path.name: pq.read_table(path).to_pylist() for path in (tmp_path / "out").glob("*.parquet")}
    where = {row["uid"]: name for name, rows in files.items() for row in rows}
    index = pq.read_table(tmp_path / "out" / INDEX).to_pylist()
    assert {row["uid"]: row["export_file"] for row in index if row["export_file"]} == where
    assert all(row["image"]["bytes"] == wide.images[row["uid"]] for rows in files.values() for row in rows)
    assert {name.split("-")[1] for name in files} == {"train", "val"}


@pytest.mark.parametrize(
    ("text", "word"),
    [("train=0.5,val=0.4", "make 0.9"), ("train=0.5,train=0.5", "twice"), ("train", "NAME=FRACTION"),
     ("train=-1,val=2", "NAME=FRACTION"), ("../x=1", "NAME=FRACTION"), ("a=1e9e9", "NAME=FRACTION")],
)  # fmt: skip
def test_bad_splits_are_one_sentence(text, word):
    with pytest.raises(PlanError, match=word):
        read_splits(text)
