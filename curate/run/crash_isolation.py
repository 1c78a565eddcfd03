"""Crash isolation: find samples that kill or hang their worker, and give them an error row.

A native crash cannot be caught and a native hang cannot be interrupted, so the process dies and Ray starts it again.
After the first crash on a shard the next worker measures it in one-by-one mode: one batch at a time, each recorded as
in flight with the run's monitor before it starts. The second crash names the batch; its rows are then measured alone. A
row that was in flight alone in two crashes is a poison sample. A hang needs no second look: the watchdog knows its
batch.
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

from curate.errors import CurateError, SampleError
from curate.stages import Batch, Measurement, Scorer

__all__ = ["CrashLog", "InFlight", "OneByOne", "ShardRecord", "Watchdog", "check_attempt"]

CRASHES_OF_A_ROW = 2  # crashes while alone in flight that make a poison sample: one may be a lost machine
UNEXPLAINED_CRASHES = 3  # crashes on a shard outside any expert (in its reader, say) before it is given up
CRASHES_OF_A_SHARD = 30  # crashes on a shard at all: some eight poison samples
LOOK_SECONDS = 0.5

MESSAGES = {
    "expert_crashed": "the worker died each time it measured this sample (a native crash, or out of memory)",
    "expert_hung": "no answer within the expert's timeout_seconds",
}


@dataclass(frozen=True, slots=True)
class InFlight:
    """What a worker has in work: the rows `uids` in the expert `stage` (an id); `code` is their error if it dies."""

    stage: str
    uids: tuple[str, ...]
    code: str = "expert_crashed"


@dataclass(frozen=True, slots=True)
class ShardRecord:
    """What a worker is given with a shard: `attempt` counts the workers that took it, from 1.

    Null `suspects`: measure as usual. Else they are the (stage, uid) to measure alone, `poison` maps rows to the error
    code they get unmeasured, and `give_up` says that the shard is to be left.
    """

    attempt: int = 1
    suspects: frozenset[tuple[str, str]] | None = None
    poison: dict[tuple[str, str], str] = field(default_factory=dict)
    give_up: bool = False


@dataclass(slots=True)
class CrashLog:
    """The crashes of one run, by (segment index, shard); kept beside the driver, so that it outlives workers.

    The attempt number that `begin` gives is a fencing token of one shard: of two workers that have the same shard,
    because Ray took a living one for dead or computes a lost block again, only the later may commit or end it.
    """

    attempts: Counter[tuple[int, str]] = field(default_factory=Counter)
    crashes: Counter[tuple[int, str]] = field(default_factory=Counter)
    unexplained: Counter[tuple[int, str]] = field(default_factory=Counter)
    begun: set[tuple[int, str]] = field(default_factory=set)
    in_flight: dict[tuple[int, str], InFlight] = field(default_factory=dict)
    crashes_alone: Counter[tuple[str, str]] = field(default_factory=Counter)
    poison: dict[tuple[str, str], str] = field(default_factory=dict)
    any_crash: bool = False

    def begin(self, index: int, shard: str) -> ShardRecord:
        """Record that a worker of segment `index` takes a shard; one that took it before and did not end it crashed."""
        key = (index, shard)
        self.attempts[key] += 1
        if key not in self.begun:
            self.begun.add(key)
            return ShardRecord(self.attempts[key])
        self.any_crash = True
        self.crashes[key] += 1
        in_flight = self.in_flight.pop(key, None)
        if in_flight is None:
            self.unexplained[key] += 1
        else:
            self.blame(in_flight)
        give_up = self.unexplained[key] >= UNEXPLAINED_CRASHES or self.crashes[key] >= CRASHES_OF_A_SHARD
        return ShardRecord(self.attempts[key], frozenset(self.crashes_alone), dict(self.poison), give_up)

    def blame(self, in_flight: InFlight) -> None:
        """Take it that these rows ended their worker: several become suspects, one alone is counted."""
        for uid in in_flight.uids:
            row = (in_flight.stage, uid)
            alone = len(in_flight.uids) == 1
            self.crashes_alone[row] += alone
            if alone and (in_flight.code == "expert_hung" or self.crashes_alone[row] >= CRASHES_OF_A_ROW):
                self.poison.setdefault(row, in_flight.code)

    def record(self, index: int, shard: str, attempt: int, in_flight: InFlight | None) -> None:
        """Remember what a one-by-one worker has in flight; None: nothing that a sample could be blamed for."""
        if in_flight is None:
            self.in_flight.pop((index, shard), None)
        elif self.is_current(index, shard, attempt):
            self.in_flight[index, shard] = in_flight

    def is_current(self, index: int, shard: str, attempt: int) -> bool:
        """Tell whether no other worker took the shard since this attempt began."""
        return self.attempts[index, shard] == attempt

    def end(self, index: int, shard: str, attempt: int) -> None:
        """Record that a worker is done with its shard; an attempt that is not the last changes nothing."""
        key = (index, shard)
        if self.is_current(index, shard, attempt):
            self.begun.discard(key)
            self.in_flight.pop(key, None)
            self.crashes.pop(key, None)
            self.unexplained.pop(key, None)


def check_attempt(shard: str, is_current: bool) -> None:
    """Raise CurateError if another worker took the shard since: this one must not commit."""
    if not is_current:
        raise CurateError(
            f"{shard} was given to another worker while this one still measured it (Ray had lost sight of it); "
            "this one commits nothing: run the same command again if the run stops here"
        )


@dataclass(frozen=True, slots=True)
class OneByOne:
    """How a shard is measured on which a worker crashed: suspects alone, poison samples not at all.

    `record` stores what is in flight, and returns when it is safe.
    """

    shard: ShardRecord
    record: Callable[[InFlight | None], None]

    def poison_error(self, stage: str, uid: str) -> SampleError | None:
        """Return the error of a poison sample."""
        code = self.shard.poison.get((stage, uid))
        return None if code is None else SampleError(code, MESSAGES[code])

    def scorer(self, stage: str, scorer: Scorer) -> Scorer:
        """Return a scorer that records each batch, and refuses a batch that holds a suspect beside others."""
        suspects = self.shard.suspects or frozenset()

        def recorded(batch: Batch) -> Measurement:
            uids = tuple(batch.table["uid"].to_pylist())
            if len(uids) > 1 and any((stage, uid) in suspects for uid in uids):
                raise SampleError("suspect", "this batch is halved until its suspects are alone")
            if error := self.poison_error(stage, uids[0]):
                raise error
            self.record(InFlight(stage, uids))
            try:
                return scorer(batch)
            finally:
                self.record(None)

        return recorded


@dataclass(slots=True)
class Watchdog:
    """Ends this process when an expert does not answer in time, after `blame` has got the batch.

    One thread looks at what is in flight; should native code hold Python's lock, so that no thread runs, the process
    ends unnamed a little later, by a timer in C, and one-by-one mode finds the sample.
    """

    blame: Callable[[InFlight], None]
    in_flight: dict[int, tuple[float, InFlight]] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)
    thread: threading.Thread | None = None

    def watched(self, stage: str, scorer: Scorer, seconds: float | None) -> Scorer:
        """Return a scorer that may take `seconds` per call; null: no limit."""
        if seconds is None:
            return scorer

        def timed(batch: Batch) -> Measurement:
            me, uids = threading.get_ident(), tuple(batch.table["uid"].to_pylist())
            with self.lock:
                self.in_flight[me] = (time.monotonic() + seconds, InFlight(stage, uids, "expert_hung"))
                if self.thread is None:
                    self.thread = threading.Thread(target=self._look, args=(seconds,), daemon=True)
                    self.thread.start()
            try:
                return scorer(batch)
            finally:
                with self.lock:
                    del self.in_flight[me]

        return timed

    def _look(self, seconds: float) -> None:
        while True:
            with self.lock:
                late = [batch for deadline, batch in self.in_flight.values() if deadline < time.monotonic()]
            if late:
                for batch in late:
                    self.blame(batch)
                os.kill(os.getpid(), signal.SIGKILL)
            if sys.__stderr__ is not None:
                faulthandler.dump_traceback_later(2 * seconds + 60, exit=True, file=sys.__stderr__)
            time.sleep(LOOK_SECONDS)
