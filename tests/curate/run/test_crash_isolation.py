"""A sample that crashes or hangs its worker, or needs too much memory, costs only itself."""

import ctypes
import os
import signal
import time
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
import pytest
from rich.console import Console

from curate.errors import CurateError
from curate.pipeline import Pipeline
from curate.run.crash_isolation import UNEXPLAINED_CRASHES, CrashLog, InFlight, OneByOne, ShardRecord, check_attempt
from curate.run.runner import RunRequest, run
from curate.stages import Resources, stage_id
from curate.storage.store import Store
from tests.curate.run.test_scoring import measure
from tests.support.shards import write_shard
from tests.support.stages import TextLength

TEXTS = ["a", "bb", "ccc", "dddd", "eeeee", "ffffff", "ggggggg", "hhhhhhhh"]


@dataclass(frozen=True)
class Deadly(TextLength):
    """Kills its own process on one text, reads address 0 on another, sleeps for ever on a third; measures the rest."""

    kill: str = field(default="", repr=False)
    fault: str = field(default="", repr=False)
    hang: str = field(default="", repr=False)
    resources: Resources = field(
        default=Resources(batch_rows=4, workers=1, timeout_seconds=3.0), repr=False, compare=False
    )
    version: ClassVar[int] = 1

    def load(self):
        inner = super().load()

        def scorer(batch):
            texts = batch.table["alt_text"].to_pylist()
            if self.kill in texts:
                os.kill(os.getpid(), signal.SIGKILL)
            if self.fault in texts:
                ctypes.string_at(0)  # SIGSEGV, as a broken native library gives it
            if self.hang in texts:
                time.sleep(3600)
            return inner(batch)

        return scorer


@pytest.mark.slow
@pytest.mark.ray
@pytest.mark.usefixtures("ray_cluster")
def test_samples_that_kill_or_hang_their_worker_become_error_rows(tmp_path):
    write_shard(tmp_path / "in" / "00000.tar", TEXTS)
    inputs = [str(tmp_path / "in" / "*.tar")]

    deadly = Deadly(kill="ccc", fault="ggggggg", hang="ffffff")

    run(RunRequest(Pipeline([deadly]), inputs, str(tmp_path / "out")), Console(quiet=True))

    store = Store(str(tmp_path / "out"))
    (name,) = store.list(f"columns/{stage_id(Deadly())}")
    cell = store.read_table(f"columns/{stage_id(Deadly())}/{name}").to_pydict()
    assert cell["text_length"] == [1, 2, None, 4, 5, None, None, 8]
    assert [code for code in cell["error_code"] if code] == ["expert_crashed", "expert_hung", "expert_crashed"]
    errors = store.read_table(f"errors/{name}").to_pylist()
    assert sorted((e["key"], e["error_code"], e["attempt"]) for e in errors) == [
        ("0002", "expert_crashed", 1),
        ("0005", "expert_hung", 1),
        ("0006", "expert_crashed", 1),
    ]


class OutOfMemoryError(RuntimeError):
    """As torch names it on a GPU."""


def ask_numpy():
    np.ones(1 << 60, np.uint8)


def ask_torch():
    torch = pytest.importorskip("torch")
    torch.empty(1 << 60, dtype=torch.uint8)


def ask_a_gpu():
    raise OutOfMemoryError("CUDA out of memory")


@pytest.mark.parametrize("ask", [ask_numpy, ask_torch, ask_a_gpu])
def test_memory_that_runs_out_costs_one_sample_and_is_told_from_other_failures(ask):
    inner = TextLength().load()

    def greedy(batch):
        if "big" in batch.table["alt_text"].to_pylist():
            ask()
        if "odd" in batch.table["alt_text"].to_pylist():
            raise RuntimeError("something else")
        return inner(batch)

    result = measure(TextLength(), ["a", "big", "ccc", "odd"], greedy)

    assert result.columns["text_length"].to_pylist() == [1, None, 3, None]
    assert [error and error.code for error in result.errors] == [None, "out_of_memory", None, "expert_failed"]


def crash(log, in_flight=None):
    """Let the worker of shard "s" record what it has in flight and never come back; return what the next one gets."""
    if in_flight:
        log.record(0, "s", log.attempts[0, "s"], in_flight)
    return log.begin(0, "s")


def test_a_first_crash_blames_no_row_and_a_row_is_poison_after_two_crashes_alone():
    log = CrashLog()
    assert log.begin(0, "s") == ShardRecord()

    assert crash(log).suspects == frozenset()
    assert crash(log, InFlight("x", ("a", "b"))).suspects == {("x", "a"), ("x", "b")}
    assert crash(log, InFlight("x", ("b",))).poison == {}
    assert crash(log, InFlight("x", ("b",))).poison == {("x", "b"): "expert_crashed"}


def test_a_row_that_hung_alone_is_poison_at_once():
    log = CrashLog()
    log.blame(InFlight("x", ("a",), "expert_hung"))

    assert log.poison == {("x", "a"): "expert_hung"}


def test_a_shard_whose_crashes_blame_no_sample_is_given_up():
    log = CrashLog()
    log.begin(0, "s")

    assert [crash(log).give_up for _ in range(UNEXPLAINED_CRASHES)] == [False] * (UNEXPLAINED_CRASHES - 1) + [True]
    assert not log.begin(0, "other").give_up


def test_a_shard_that_ended_has_a_clean_record():
    log = CrashLog()
    log.begin(0, "s")
    log.end(0, "s", 1)

    assert log.begin(0, "s") == ShardRecord(attempt=2)
    assert not log.any_crash


def test_a_worker_that_was_taken_for_dead_may_neither_commit_nor_end_its_shard():
    """It lives on, on a machine that was cut off, while another has its shard: only the later attempt counts."""
    log = CrashLog()
    older, newer = log.begin(0, "s").attempt, log.begin(0, "s").attempt

    log.end(0, "s", older)
    log.record(0, "s", older, InFlight("x", ("a",)))

    assert (log.is_current(0, "s", older), log.is_current(0, "s", newer)) == (False, True)
    assert log.begun == {(0, "s")}
    assert log.in_flight == {}
    check_attempt("s", log.is_current(0, "s", newer))
    with pytest.raises(CurateError, match=r"s was given to another worker .* commits nothing: run the same command"):
        check_attempt("s", log.is_current(0, "s", older))


def test_a_one_by_one_worker_records_each_batch_and_measures_suspects_alone():
    records = []
    poison = {("x", "u3"): "expert_crashed"}
    shard = ShardRecord(2, frozenset({("x", "u1"), *poison}), poison)
    scorer = OneByOne(shard, records.append).scorer("x", TextLength().load())

    result = measure(TextLength(resources=Resources(batch_rows=8)), ["a", "bb", "ccc", "dddd"], scorer)

    assert result.columns["text_length"].to_pylist() == [1, 2, 3, None]
    assert [record.uids for record in records if record] == [("u0",), ("u1",), ("u2",)]
    assert result.errors[3].code == "expert_crashed"
