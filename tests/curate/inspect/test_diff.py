"""Several runs of a dataset beside each other."""

import pyarrow.parquet as pq
import pytest
from rich.console import Console
from typer.testing import CliRunner

from curate.cli import app
from curate.dataset.manifest import run_ids
from curate.errors import PlanError
from curate.inspect.all_runs import query_runs
from curate.inspect.diff import changes, diff
from curate.inspect.query import query
from curate.run.runner import run
from curate.run.spec import RunRequest
from tests.support.dataset_folder import pipeline


@pytest.fixture
def runs(own_folder):
    """The two runs of the folder, and a third that keeps only the last row of each shard, without captions."""
    run(
        RunRequest(pipeline(0.5, captions=False), [str(own_folder.source)], own_folder.store.root, local=True),
        Console(quiet=True),
    )
    return own_folder, run_ids(own_folder.store)


def test_every_run_answers_as_when_it_is_asked_alone(runs):
    folder, ids = runs
    for sql in ("SELECT * FROM samples", "SELECT uid, dropped_by, error FROM samples", "SELECT count(*) FROM samples"):
        for each in ids:
            alone = query(folder.store, f"{sql} ORDER BY ALL" if "*)" not in sql else sql, each)
            names = ", ".join(f'"{name}"' for name in alone.column_names)
            of_all = sql.replace("SELECT *", f"SELECT {names}") + f" WHERE run = '{each}'"
            of_all = of_all if "*)" in sql else f"{of_all} ORDER BY ALL"
            assert query_runs(folder.store, of_all) == alone


def test_columns_that_a_run_lacks_are_null_in_its_rows(runs):
    folder, ids = runs
    rows = query_runs(folder.store, "SELECT run, count(caption) AS n FROM samples GROUP BY 1 ORDER BY 1").to_pylist()
    assert [(row["run"], row["n"]) for row in rows] == [(ids[0], 6), (ids[1], 6), (ids[2], 0)]


def test_a_diff_counts_what_came_and_went_and_why(runs):
    folder, (first, second, third) = runs
    found = diff(folder.store)
    assert (found.before, found.after) == (second, third)
    assert (found.count(True, True), found.count(False, True), found.count(True, False)) == (2, 0, 4)
    reasons = {(was, now): n for was, now, n, _ in found.rows}
    assert reasons["kept", "MinClipScore(minimum=0.5)"] == 4
    lower = diff(folder.store, first, second)
    assert (lower.count(False, True), lower.count(True, False)) == (2, 0)


def test_changes_name_each_sample(runs):
    folder, (_, second, third) = runs
    rows = changes(folder.store, second, third).to_pylist()
    out = [row["uid"] for row in rows if row["was"] == "kept"]
    assert sorted(out) == sorted(folder.uid(row, shard) for shard in range(2) for row in (3, 4))


def test_a_sample_of_one_run_alone_is_told(runs):
    folder, (_, second, _) = runs
    run(RunRequest(pipeline(0.5), [str(folder.source)], folder.store.root, limit=6, local=True), Console(quiet=True))
    found = diff(folder.store, second)
    assert sum(n for _, now, n, _ in found.rows if now == "not in the run") == 6


def test_the_command_writes_the_samples_that_changed(runs, tmp_path):
    folder, _ = runs
    shown = CliRunner().invoke(app, ["diff", folder.store.root, "--out", str(tmp_path / "changes.parquet")]).output
    assert "kept by both: 2; came in: 0; went out: 4" in shown
    assert pq.read_table(tmp_path / "changes.parquet").num_rows == len(changes(folder.store))


def test_one_run_cannot_be_compared(own_folder):
    for name in own_folder.store.list("runs"):
        if name.startswith("000002") and name.endswith(".json"):
            own_folder.store.remove(f"runs/{name}")
    with pytest.raises(PlanError, match="has 1 run; two are needed"):
        diff(own_folder.store)
    with pytest.raises(PlanError, match="has no run 'x'"):
        diff(own_folder.store, "x")


def test_a_query_of_all_runs_can_read_nothing_else(runs):
    with pytest.raises(PlanError, match="can only read the view"):
        query_runs(runs[0].store, "SELECT * FROM read_text('/etc/hostname')")
