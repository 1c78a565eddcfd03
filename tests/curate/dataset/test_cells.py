"""Cells keep one row per sample; additions are merged into them, by one rule in Arrow and in SQL."""

import tempfile

import duckdb
import numpy as np
import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from curate.dataset.cells import Cells, Outcomes, measured_table, merge, merge_sql, parse_name
from curate.errors import SampleError
from curate.storage.store import Store
from tests.support.stages import number

ADDS = pa.schema([number("x")])
SAMPLE = pa.table({"row": pa.array([0, 1, 2, 3], pa.int32()), "uid": ["a", "b", "c", "d"]})


def measurement(rows, values, errors=None, attempt=1):
    uids = SAMPLE["uid"].take(pa.array(rows, pa.int64())).combine_chunks()
    outcomes = Outcomes(errors or [None] * len(rows), np.broadcast_to(np.int16(attempt), len(rows)))
    return measured_table(ADDS, np.array(rows, np.int32), uids, {"x": pa.array(values, pa.float32())}, outcomes)


def test_the_first_file_has_a_row_for_every_sample(tmp_path):
    cells = Cells(Store(str(tmp_path)))
    cells.add("stage", "shard", measurement([1, 3], [1.5, 3.5]), SAMPLE)

    cell = cells.read("stage", "shard")

    assert cell["uid"].to_pylist() == ["a", "b", "c", "d"]
    assert cell["measured"].to_pylist() == [False, True, False, True]
    assert cell["x"].to_pylist() == [None, 1.5, None, 3.5]
    assert cell["attempt"].to_pylist() == [0, 1, 0, 1]


def test_later_additions_hold_only_their_rows_and_win(tmp_path):
    cells = Cells(Store(str(tmp_path)))
    failed = SampleError("oops", "it failed")
    cells.add("stage", "shard", measurement([1, 3], [None, 3.5], [failed, None]), SAMPLE)
    cells.add("stage", "shard", measurement([0], [0.5]), SAMPLE)
    cells.add("stage", "shard", measurement([1], [9.0], attempt=2), SAMPLE)

    cell = cells.read("stage", "shard")

    assert Store(str(tmp_path)).list("columns/stage") == ["shard.1.parquet", "shard.2.parquet", "shard.parquet"]
    assert Store(str(tmp_path)).read_table("columns/stage/shard.2.parquet").num_rows == 1
    assert cell["x"].to_pylist() == [0.5, 9.0, None, 3.5]
    assert cell["error_code"].to_pylist() == [None, None, None, None]
    assert cell["attempt"].to_pylist() == [1, 2, 0, 1]


def test_only_the_named_columns_are_read(tmp_path):
    cells = Cells(Store(str(tmp_path)))
    cells.add("stage", "shard", measurement([0], [1.0]), SAMPLE)

    outcome = ["row", "measured", "error_code", "attempt"]
    assert cells.read("stage", "shard", set()).column_names == outcome
    assert cells.read("stage", "shard", {"uid", "x"}).column_names == ["row", "uid", *outcome[1:], "x"]


def test_a_stage_that_measured_nothing_has_no_cell(tmp_path):
    assert Cells(Store(str(tmp_path))).read("stage", "shard") is None


def test_a_first_file_alone_is_the_cell():
    part = measurement([0, 1, 2, 3], [0, 1, 2, 3])

    assert merge([part]) is part


@given(
    st.lists(st.lists(st.tuples(st.integers(1, 4), st.floats(0, 9, width=32)), max_size=4), max_size=12),
    st.randoms(use_true_random=False),
)
@settings(max_examples=25, deadline=None)
def test_sql_merges_as_arrow_does(additions, rng):
    """Any attempts in any additions, of which some measure a row again and some come late with an older attempt."""
    with tempfile.TemporaryDirectory() as folder:
        cells = Cells(Store(folder))
        cells.add("stage", "shard", measurement([0, 2], [0.5, 2.5]), SAMPLE)
        for each in additions:
            rows = rng.sample(range(4), len(each))
            attempts, values = [attempt for attempt, _ in each], [value for _, value in each]
            cells.add("stage", "shard", measurement(rows, values, attempt=attempts), SAMPLE)
        (paths,) = cells.files("stage").values()
        urls = [str(cells.store.local_path(path)) for path in paths]

        merged = cells.read("stage", "shard")
        by_sql = duckdb.sql(f'SELECT * FROM ({merge_sql(urls[:1], urls[1:])}) ORDER BY "row"').to_arrow_table()

    assert len(paths) == len(additions) + 1
    assert by_sql.to_pylist() == merged.to_pylist()


NAMES = st.lists(st.sampled_from(["a", "a.1", "a.1.2", "a.01", "b", "b.x", "1", ".1"]), unique=True, min_size=1)


@given(NAMES, st.integers(0, 12))
@settings(deadline=None)
def test_every_name_that_is_written_is_read_as_what_it_was(shards, addition):
    """Given the shards, only a shard that is called like an addition of another is ambiguous, and it is the shard."""
    cells = Cells(Store("/x"))
    for shard in shards:
        name = cells.path("stage", shard, addition).rpartition("/")[2]
        stem = name.removesuffix(".parquet")
        assert parse_name(name, set(shards)) == ((stem, 0) if stem in shards else (shard, addition))


def test_a_shard_named_like_an_addition_is_one_if_it_has_samples(tmp_path):
    store = Store(str(tmp_path))
    for path in ("sample-v1/a", "sample-v1/a.1", "x/a", "x/a.1", "x/a.1.1", "x/a.2", "x/b", "x/b.1", "x/c.1", "x/b.10"):
        store.write_bytes(f"columns/{path}.parquet", b"")
    store.write_bytes("columns/x/b.2.parquet.0123.part", b"")

    assert Cells(store).files("x") == {
        "a": ["columns/x/a.parquet"],  # a.2 comes after a gap
        "a.1": ["columns/x/a.1.parquet", "columns/x/a.1.1.parquet"],
        "b": ["columns/x/b.parquet", "columns/x/b.1.parquet"],
        "c.1": ["columns/x/c.1.parquet"],
    }
    assert [(file.shard, file.addition) for file in Cells(store).listing("x")] == [
        *(("a", 0), ("a", 2), ("a.1", 0), ("a.1", 1), ("b", 0), ("b", 1), ("b", 10), ("c.1", 0)),
    ]


def test_the_tenth_addition_comes_after_the_ninth(tmp_path):
    cells = Cells(Store(str(tmp_path)))
    for value in range(12):
        cells.add("stage", "shard", measurement([1], [float(value)]), SAMPLE)

    assert cells.files("stage")["shard"] == list(cells.files_of("stage", "shard"))
    assert cells.read("stage", "shard")["x"].to_pylist() == [None, 11.0, None, None]
