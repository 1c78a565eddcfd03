"""How fast segments work: rows and seconds as workers count them, and what the driver makes of them."""

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

from curate.pipeline import Kind

__all__ = ["Pace", "PaceMeter", "Rate", "Rates"]

WINDOW_SECONDS = 60.0
PILOT_ROWS = 256  # rows of a segment from which its rate is taken as measured
GUESS: dict[Kind, float] = {"cpu": 0.1, "gpu": 0.01, "engine": 0.03}
"""Seconds a row before anything is measured: about OCR on a core, CLIP or a detector and a caption on an H100
(docs/benchmarks.md). Only their ratio counts, and only for the first seconds."""
GUESSED_ROWS = 1_000.0  # of a shard, before one was read


@dataclass(frozen=True, slots=True)
class Pace:
    """`rows` measured in `seconds` of one worker."""

    rows: int = 0
    seconds: float = 0.0

    def __add__(self, more: "Pace") -> "Pace":
        return Pace(self.rows + more.rows, self.seconds + more.seconds)

    def __sub__(self, less: "Pace") -> "Pace":
        return Pace(self.rows - less.rows, self.seconds - less.seconds)


@dataclass(slots=True)
class PaceMeter:
    """Counts one worker's rows and the seconds in which it had a shard in work, however many at once; thread-safe.

    `report` gets what came on top. Until the first rows are through, models load and engines start: not counted.
    """

    report: Callable[[Pace], None]
    lock: threading.Lock = field(default_factory=threading.Lock)
    working: int = 0
    since: float = 0.0
    warm: bool = False

    @contextmanager
    def shard(self) -> Iterator[None]:
        """Count the seconds of the block."""
        with self.lock:
            self._tick()
            self.working += 1
        try:
            yield
        finally:
            with self.lock:
                self._tick()
                self.working -= 1

    def count(self, rows: int) -> None:
        """Count rows that are through."""
        with self.lock:
            self._tick(rows)
            self.warm = self.warm or rows > 0

    def _tick(self, rows: int = 0) -> None:
        now = time.monotonic()
        if self.working and self.warm:
            self.report(Pace(rows, now - self.since))
        self.since = now


@dataclass(frozen=True, slots=True)
class Rate:
    """What a segment costs: seconds of a worker for one row, and rows that come to it from one shard; null: unknown."""

    seconds_per_row: float | None = None
    rows_per_shard: float | None = None


@dataclass(slots=True)
class Rates:
    """The driver's view of all segments: of the last minute, else of the run so far, else of `earlier` runs."""

    kinds: tuple[Kind, ...]
    earlier: Mapping[int, Rate] = field(default_factory=dict)
    snapshots: deque[tuple[float, dict[int, Pace]]] = field(default_factory=deque)
    shards: dict[int, deque[tuple[float, int]]] = field(default_factory=dict)
    rows: dict[int, int] = field(default_factory=dict)
    done: dict[int, int] = field(default_factory=dict)

    def observe(self, now: float, paces: Mapping[int, Pace]) -> None:
        """Take the sums over all workers since the run began."""
        self.snapshots.append((now, dict(paces)))
        while len(self.snapshots) > 2 and now - self.snapshots[1][0] >= WINDOW_SECONDS:
            self.snapshots.popleft()

    def finished(self, now: float, index: int, rows: int) -> None:
        """Count a shard that a segment is through with, and how many rows of it came there."""
        recent = self.shards.setdefault(index, deque())
        recent.append((now, rows))
        while now - recent[0][0] > WINDOW_SECONDS:
            recent.popleft()
        self.rows[index] = self.rows.get(index, 0) + rows
        self.done[index] = self.done.get(index, 0) + 1

    def measured(self, index: int) -> Rate:
        """Return what was measured in this run; of the last minute where that is enough."""
        recent = self.shards.get(index)
        per_shard = sum(rows for _, rows in recent) / len(recent) if recent else None
        if not self.snapshots:
            return Rate(None, per_shard)
        last = self.snapshots[-1][1].get(index, Pace())
        fresh = last - self.snapshots[0][1].get(index, Pace())
        pace = fresh if fresh.rows >= PILOT_ROWS else last
        return Rate(pace.seconds / pace.rows if pace.rows else None, per_shard)

    def seconds_per_shard(self, index: int) -> float:
        """Return what a shard costs a worker of the segment, by the best that is known."""
        now, before = self.measured(index), self.earlier.get(index, Rate())
        per_row = next((s for s in (now.seconds_per_row, before.seconds_per_row) if s is not None), None)
        return max((GUESS[self.kinds[index]] if per_row is None else per_row) * self.rows_per_shard(index), 1e-6)

    def rows_per_shard(self, index: int) -> float:
        """Return how many rows of a shard come to the segment: all that reached the one before it, where not known."""
        for i in range(index, -1, -1):
            for rate in (self.measured(i), self.earlier.get(i, Rate())):
                if rate.rows_per_shard is not None:
                    return rate.rows_per_shard
        return GUESSED_ROWS

    def known(self, index: int) -> bool:
        """Tell whether this run or an earlier one has measured the segment."""
        return (self.measured(index).seconds_per_row or self.earlier.get(index, Rate()).seconds_per_row) is not None
