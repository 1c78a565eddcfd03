"""Errors are grouped and shown, with the command that tries them again; attempts are counted."""

import io

from rich.console import Console

from curate.inspect.failures import failures, failures_table
from curate.pipeline import Pipeline
from curate.run.runner import run
from curate.run.spec import RunRequest
from curate.stages import stage_id
from curate.storage.store import Store
from tests.support.shards import write_shard
from tests.support.stages import TextLength

TEXTS = ["a", "bb", "ccc", "dddd", "eeeee"]


def shown(store, by="code"):
    console = Console(width=300, record=True, file=io.StringIO())
    console.print(failures_table(store, by))
    return console.export_text()


def test_errors_are_grouped_and_a_retry_by_code_counts_attempts(tmp_path):
    for i in range(2):
        write_shard(tmp_path / "in" / f"{i:05d}.tar", TEXTS)
    store = Store(str(tmp_path / "out"))

    def go(stage, retry=None):
        inputs = [str(tmp_path / "in" / "*.tar")]
        run(
            RunRequest(Pipeline([stage]), inputs, store.root, parameters={"x": 1}, retry=retry, local=True),
            Console(quiet=True),
        )
        return {(each.code, each.count, each.attempt) for each in failures(store)}

    assert go(TextLength(fail=("bb",), crash=("dddd",))) == {("bad_text", 2, 1), ("expert_failed", 2, 1)}
    assert [(each.stage, each.count, each.code) for each in failures(store, "stage")] == [
        (stage_id(TextLength()), 4, "several")
    ]
    assert len(failures(store, "shard")) == 4
    text = shown(store)
    assert "RuntimeError: the model fell over" in text
    assert f"--dataset {store.root} -p x=1 --code bad_text" in text

    bad_text = frozenset({"bad_text"})
    assert go(TextLength(fail=("bb",)), bad_text) == {("bad_text", 2, 2), ("expert_failed", 2, 1)}
    assert go(TextLength(), bad_text) == {("expert_failed", 2, 1)}
    assert go(TextLength(), frozenset()) == set()
    assert "no errors" in shown(store)
