"""What no kept run refers to is shown, then removed; what a kept run refers to stays, byte for byte."""

import pytest
from rich.console import Console

from curate.dataset.gc import collect
from curate.dataset.manifest import run_ids
from curate.errors import PlanError
from curate.inspect.query import query
from curate.pipeline import Pipeline
from curate.run.runner import RunRequest, prepare, run
from curate.sources import find_shards
from curate.stages import stage_id
from curate.storage.lock import lock_dataset
from curate.storage.store import Store
from tests.support.shards import write_shard
from tests.support.stages import AtLeast, Brightness, TextLength


@pytest.fixture
def ask(tmp_path):
    for i in range(2):
        write_shard(tmp_path / "in" / f"{i:05d}.tar", ["a", "bb", "ccc", "dddd"])
    inputs = [str(tmp_path / "in")]
    return lambda *stages: RunRequest(Pipeline(stages), inputs, str(tmp_path / "out"), recipe="test", local=True)


def finish(ask):
    return run(ask, Console(quiet=True))


def files(ask):
    root = Store(ask.dataset).local_path()
    return {p.relative_to(root).as_posix(): p.read_bytes() for p in root.rglob("*") if p.is_file() and p.name != "lock"}


def kept_files(ask):
    return {path: data for path, data in files(ask).items() if not path.startswith("lock")}


def test_with_all_runs_kept_there_is_nothing_to_remove(ask):
    work = ask(TextLength(fail=("bb",)), AtLeast("text_length", 2))
    finish(work)
    before = kept_files(work)

    assert collect(Store(work.dataset), yes=True).garbage == []
    assert kept_files(work) == before


def test_without_yes_nothing_goes(ask):
    finish(ask(TextLength(), AtLeast("text_length", 2)))
    work = ask(TextLength(), AtLeast("text_length", 3))
    finish(work)
    before = files(work)

    report = collect(Store(work.dataset), keep=1)

    own, verdicts = 4, 2  # manifest, shards, log and last word of the old run; its verdicts
    assert sum(n for _, n, _ in report.garbage) == own + verdicts
    assert files(work) == before


def test_the_kept_run_stays_as_if_the_others_had_never_been(ask, tmp_path):
    finish(ask(TextLength(fail=("bb",)), Brightness()))
    work = ask(TextLength(adds_name="again", fail=("ccc",)), AtLeast("again", 2))
    finish(work)
    (tmp_path / "out" / "columns" / "sample-v1" / "x.parquet.0123.part").write_bytes(b"half")
    (tmp_path / "out" / "exports" / ".mine.part" / "deep").mkdir(parents=True)
    (tmp_path / "out" / "exports" / ".mine.part" / "deep" / "00000.tar").write_bytes(b"half")

    collect(Store(work.dataset), keep=1, yes=True)

    store = Store(work.dataset)
    assert run_ids(store) == [name for name in run_ids(store) if name.startswith("000002-")]
    assert sorted(store.list("columns")) == sorted(
        ["sample-v1", stage_id(TextLength(adds_name="again")), work.pipeline.verdict_id(None)]
    )
    assert {row for name in store.list("errors") for row in store.read_table(f"errors/{name}")["key"].to_pylist()} == {
        "0002"
    }
    assert not list((tmp_path / "out").rglob("*.part"))
    assert query(store, "SELECT count(*) AS n FROM samples")["n"].to_pylist() == [8]
    assert prepare(work).unfinished == []


def test_shards_of_no_kept_run_go(ask, tmp_path):
    stages = (TextLength(), AtLeast("text_length", 2))
    finish(ask(*stages))
    (tmp_path / "in" / "00001.tar").unlink()
    work = ask(*stages)
    finish(work)

    collect(Store(work.dataset), keep=1, yes=True)

    name = find_shards(work.inputs)[0].name
    assert Store(work.dataset).list("columns/sample-v1") == [f"{name}.parquet"]


def test_a_named_run_is_kept_beside_the_newest(ask):
    for bound in (1, 2, 3):
        finish(ask(TextLength(), AtLeast("text_length", bound)))
    store = Store(ask().dataset)
    first, _, newest = run_ids(store)

    report = collect(store, keep_runs=[first], yes=True)

    assert report.kept == run_ids(store) == [first, newest]


def test_the_newest_run_cannot_be_lost_and_a_run_at_work_is_left_alone(ask):
    work = ask(TextLength())
    finish(work)
    store = Store(work.dataset)

    with pytest.raises(PlanError, match="--keep 0"):
        collect(store, keep=0)
    with pytest.raises(PlanError, match="has no run"):
        collect(store, keep_runs=["nosuch"])
    with lock_dataset(store, lambda message: None), pytest.raises(Exception, match="is being written by"):
        collect(store, keep=1, yes=True)
