"""Cells keep one row per sample; later additions are laid over them."""

import numpy as np
import pyarrow as pa

from curate.dataset.cells import Columns, Trouble, measured_table, overlay
from curate.errors import SampleError
from curate.storage.store import Store
from tests.support.stages import number

ADDS = pa.schema([number("x")])
SAMPLE = pa.table({"row": pa.array([0, 1, 2, 3], pa.int32()), "uid": ["a", "b", "c", "d"]})


def measurement(rows, values, errors=None, attempt=1):
    uids = SAMPLE["uid"].take(pa.array(rows)).combine_chunks()
    trouble = Trouble(errors or [None] * len(rows), np.full(len(rows), attempt, dtype=np.int16))
    return measured_table(ADDS, np.array(rows, np.int32), uids, {"x": pa.array(values, pa.float32())}, trouble)


def test_the_first_file_has_a_row_for_every_sample(tmp_path):
    columns = Columns(Store(str(tmp_path)))
    columns.add("stage", "shard", measurement([1, 3], [1.5, 3.5]), SAMPLE)

    cell = columns.read("stage", "shard")

    assert cell["uid"].to_pylist() == ["a", "b", "c", "d"]
    assert cell["measured"].to_pylist() == [False, True, False, True]
    assert cell["x"].to_pylist() == [None, 1.5, None, 3.5]
    assert cell["attempt"].to_pylist() == [0, 1, 0, 1]


def test_later_additions_hold_only_their_rows_and_win(tmp_path):
    columns = Columns(Store(str(tmp_path)))
    failed = SampleError("oops", "it failed")
    columns.add("stage", "shard", measurement([1, 3], [None, 3.5], [failed, None]), SAMPLE)
    columns.add("stage", "shard", measurement([0], [0.5]), SAMPLE)
    columns.add("stage", "shard", measurement([1], [9.0], attempt=2), SAMPLE)

    cell = columns.read("stage", "shard")

    assert Store(str(tmp_path)).list("columns/stage") == ["shard.1.parquet", "shard.2.parquet", "shard.parquet"]
    assert Store(str(tmp_path)).read_table("columns/stage/shard.2.parquet").num_rows == 1
    assert cell["x"].to_pylist() == [0.5, 9.0, None, 3.5]
    assert cell["error_code"].to_pylist() == [None, None, None, None]
    assert cell["attempt"].to_pylist() == [1, 2, 0, 1]


def test_only_the_named_columns_are_read(tmp_path):
    columns = Columns(Store(str(tmp_path)))
    columns.add("stage", "shard", measurement([0], [1.0]), SAMPLE)

    assert "x" not in columns.read("stage", "shard", set()).column_names


def test_a_stage_that_measured_nothing_has_no_cell(tmp_path):
    assert Columns(Store(str(tmp_path))).read("stage", "shard") is None


def test_overlay_of_one_part_is_that_part():
    part = measurement([0, 1, 2, 3], [0, 1, 2, 3])

    assert overlay([part]) is part
