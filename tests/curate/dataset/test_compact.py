"""Compaction changes files, never values: nor does a kill in its middle, nor a second time."""

import shutil

import pytest
from rich.console import Console

from curate.dataset.cells import Cells
from curate.dataset.compact import compact
from curate.dataset.verify import verify
from curate.inspect.query import query
from curate.pipeline import Pipeline
from curate.run.runner import RunRequest, run
from curate.sources import find_shards
from curate.stages import stage_id
from curate.storage.store import Store
from tests.support.shards import write_shard
from tests.support.stages import AtLeast, Brightness, TextLength

BRIGHT, LENGTH = stage_id(Brightness()), stage_id(TextLength())


def finish(tmp_path, out, *stages, retry=None):
    inputs = [str(tmp_path / "in")]
    request = RunRequest(Pipeline(stages), inputs, str(tmp_path / out), recipe="test", retry=retry, local=True)
    run(request, Console(quiet=True))
    return request


@pytest.fixture
def dataset(tmp_path):
    """Return a dataset whose cells have additions: thresholds went down twice, and failures were retried."""
    for i in range(2):
        write_shard(tmp_path / "in" / f"{i:05d}.tar", ["a", "bb", "ccc", "dddd", "eeeee"])
    for bound in (4, 3, 2):
        finish(tmp_path, "out", TextLength(fail=("bb",)), AtLeast("text_length", bound), Brightness())
    finish(tmp_path, "out", TextLength(fail=("bb",)), AtLeast("text_length", 2), Brightness(), retry=frozenset())
    finish(tmp_path, "out", TextLength(), AtLeast("text_length", 2), Brightness(), retry=frozenset())
    return Store(str(tmp_path / "out"))


def cells(store):
    columns = Cells(store)
    return {
        (s, n): columns.read(s, n).to_pylist() for s in (BRIGHT, LENGTH) for n in sorted(columns.shards("sample-v1"))
    }


def answer(store):
    return query(store, "SELECT * FROM samples ORDER BY uid").to_pylist()


def column_files(store):
    root = store.local_path("columns")
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*.parquet")}


def test_every_cell_is_one_file_and_no_value_changed(dataset):
    before, rows, files = cells(dataset), answer(dataset), len(column_files(dataset))

    report = compact(dataset)

    assert (report.files_before, report.compacted) == (files, 4)
    assert report.files_after == len(column_files(dataset)) == files - 8  # two additions of two stages of two shards
    assert cells(dataset) == before
    assert answer(dataset) == rows
    assert max(row["attempt"] for row in before[LENGTH, min(n for _, n in before)]) == 3
    assert not verify(dataset).damaged


def test_a_second_time_there_is_nothing_to_do(dataset):
    compact(dataset)
    before = column_files(dataset)

    assert compact(dataset).compacted == 0
    assert column_files(dataset) == before


def test_killed_after_any_file_it_reads_the_same_and_ends_in_the_same_bytes(dataset, tmp_path):
    before, rows, small = cells(dataset), answer(dataset), column_files(dataset)
    compact(dataset)
    compacted = column_files(dataset)

    for stage in (BRIGHT, LENGTH):
        additions = sorted(name for name in small if name.startswith(stage) and name not in compacted)
        for kept in range(len(additions) + 1):
            root = dataset.local_path("columns")
            shutil.rmtree(root)
            for name, data in (compacted | {name: small[name] for name in left_by_a_kill(additions, kept)}).items():
                (root / name).parent.mkdir(parents=True, exist_ok=True)
                (root / name).write_bytes(data)

            assert cells(dataset) == before
            assert answer(dataset) == rows
            compact(dataset)
            assert column_files(dataset) == compacted


def left_by_a_kill(additions, kept):
    """Return the additions that are left: the last of a cell go first."""
    return [name for name in additions if int(name.split(".")[-2]) <= kept]


def test_compacted_cells_take_later_additions(dataset, tmp_path):
    compact(dataset)
    request = finish(tmp_path, "out", TextLength(), AtLeast("text_length", 1), Brightness())
    straight = finish(tmp_path, "straight", TextLength(), AtLeast("text_length", 1), Brightness())

    assert {len(list(Cells(dataset).files_of(BRIGHT, s.name))) for s in find_shards(request.inputs)} == {2}
    compact(dataset)
    want = column_files(Store(straight.dataset))
    assert {name: data for name, data in column_files(dataset).items() if name in want and BRIGHT in name} == {
        name: data for name, data in want.items() if BRIGHT in name
    }
