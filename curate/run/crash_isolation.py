"""Samples that kill or hang their worker: found by noting what is in work, only after a first death.

A native crash cannot be caught and a native hang cannot be interrupted, so the process dies and Ray starts it again.
The first death of a shard makes the next worker *careful*: it measures one batch at a time and notes the batch with
the run's tally before it starts. The second death names the batch; its rows are then measured one by one, each noted.
A row that was alone at work in two deaths gets an error row. A hang needs no second look: the watchdog knows the batch.
"""

import faulthandler
import os
import signal
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeAlias

from curate.errors import SampleError
from curate.stages import Batch, Measurement, Scorer

__all__ = ["CrashLog", "InFlight", "OneByOne", "Record", "Watchdog"]

STRIKES = 2  # deaths alone at work before a row is guilty: one may be a lost machine
MAX_BLIND_DEATHS = 3  # deaths of a shard outside any expert (in its reader, say) before it is left
MAX_DEATHS = 30  # deaths of a shard at all: some eight guilty samples
LOOK_SECONDS = 0.5

MESSAGES = {
    "expert_crashed": "the worker died each time it measured this sample (a native crash, or out of memory)",
    "expert_hung": "no answer within the expert's timeout_seconds",
}


@dataclass(frozen=True, slots=True)
class InFlight:
    """What was in work when a worker died: the rows `uids` in the expert `stage` (a stage id)."""

    stage: str
    uids: tuple[str, ...]
    code: str = "expert_crashed"


@dataclass(frozen=True, slots=True)
class Record:
    """What the run knows when a worker takes a shard: null `suspects` are measured as usual.

    `suspects` are (stage, uid) to measure alone, `guilty` maps them to the error code they get unmeasured; `hopeless`
    says that the shard is to be left.
    """

    suspects: frozenset[tuple[str, str]] | None = None
    guilty: dict[tuple[str, str], str] = field(default_factory=dict)
    hopeless: bool = False


@dataclass(slots=True)
class CrashLog:
    """The books of one run, kept in one place that outlives workers; forgotten with the run."""

    deaths: Counter[tuple[int, str]] = field(default_factory=Counter)
    blind: Counter[tuple[int, str]] = field(default_factory=Counter)
    at_work: set[tuple[int, str]] = field(default_factory=set)
    notes: dict[tuple[int, str], InFlight] = field(default_factory=dict)
    strikes: Counter[tuple[str, str]] = field(default_factory=Counter)
    guilty: dict[tuple[str, str], str] = field(default_factory=dict)
    any_deaths: bool = False

    def begin(self, index: int, shard: str) -> Record:
        """Note that a worker of segment `index` takes a shard; one that took it before and never came back is dead."""
        key = (index, shard)
        if key not in self.at_work:
            self.at_work.add(key)
            return Record()
        self.any_deaths = True
        self.deaths[key] += 1
        note = self.notes.pop(key, None)
        if note is None:
            self.blind[key] += 1
        else:
            self.accuse(note)
        hopeless = self.blind[key] >= MAX_BLIND_DEATHS or self.deaths[key] >= MAX_DEATHS
        return Record(frozenset(self.strikes), dict(self.guilty), hopeless)

    def accuse(self, note: InFlight) -> None:
        """Take it that these rows ended their worker: several become suspects, one alone gets a strike."""
        for uid in note.uids:
            row = (note.stage, uid)
            self.strikes[row] += len(note.uids) == 1
            if len(note.uids) == 1 and (note.code == "expert_hung" or self.strikes[row] >= STRIKES):
                self.guilty.setdefault(row, note.code)

    def note(self, index: int, shard: str, note: InFlight | None) -> None:
        """Remember what a careful worker has in work; None: nothing that a sample could be blamed for."""
        if note is None:
            self.notes.pop((index, shard), None)
        else:
            self.notes[index, shard] = note

    def end(self, index: int, shard: str) -> None:
        """Note that a worker came back with its shard."""
        key = (index, shard)
        self.at_work.discard(key)
        self.notes.pop(key, None)
        self.deaths.pop(key, None)
        self.blind.pop(key, None)


Tell: TypeAlias = Callable[[InFlight | None], None]
"""Notes what is in work, and returns when the note is safe."""


@dataclass(frozen=True, slots=True)
class OneByOne:
    """How a shard is measured whose worker died: suspects alone, the guilty not at all, everything noted first."""

    record: Record
    tell: Tell

    def verdict(self, stage: str, uid: str) -> SampleError | None:
        """Return the error of a guilty row."""
        code = self.record.guilty.get((stage, uid))
        return None if code is None else SampleError(code, MESSAGES[code])

    def scorer(self, stage: str, scorer: Scorer) -> Scorer:
        """Return a scorer that notes each batch, and refuses a batch that holds a suspect beside others."""
        suspects = self.record.suspects or frozenset()

        def careful(batch: Batch) -> Measurement:
            uids = tuple(batch.table["uid"].to_pylist())
            if len(uids) > 1 and any((stage, uid) in suspects for uid in uids):
                raise SampleError("suspect", "this batch is halved until its suspects are alone")
            if error := self.verdict(stage, uids[0]):
                raise error
            self.tell(InFlight(stage, uids))
            try:
                return scorer(batch)
            finally:
                self.tell(None)

        return careful


@dataclass(slots=True)
class Watchdog:
    """Ends this process when an expert does not answer in time, after `accuse` has named the batch.

    One thread looks at what is in work; should native code hold Python's lock, so that no thread runs, the process
    ends unnamed a little later, by a timer in C, and the careful way finds the sample.
    """

    accuse: Callable[[InFlight], None]
    at_work: dict[int, tuple[float, InFlight]] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)
    thread: threading.Thread | None = None

    def watched(self, stage: str, scorer: Scorer, seconds: float | None) -> Scorer:
        """Return a scorer that may take `seconds` per call; null: as long as it likes."""
        if seconds is None:
            return scorer

        def timed(batch: Batch) -> Measurement:
            me, uids = threading.get_ident(), tuple(batch.table["uid"].to_pylist())
            with self.lock:
                self.at_work[me] = (time.monotonic() + seconds, InFlight(stage, uids, "expert_hung"))
                if self.thread is None:
                    self.thread = threading.Thread(target=self._look, args=(seconds,), daemon=True)
                    self.thread.start()
            try:
                return scorer(batch)
            finally:
                with self.lock:
                    del self.at_work[me]

        return timed

    def _look(self, seconds: float) -> None:
        while True:
            with self.lock:
                late = [note for deadline, note in self.at_work.values() if deadline < time.monotonic()]
            if late:
                for note in late:
                    self.accuse(note)
                os.kill(os.getpid(), signal.SIGKILL)
            if sys.__stderr__ is not None:
                faulthandler.dump_traceback_later(2 * seconds + 60, exit=True, file=sys.__stderr__)
            time.sleep(LOOK_SECONDS)
