"""Circuit breaker: stop a run in which a stage fails, or a filter drops, far more often than the limits allow."""

import threading
from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass, field

from curate.errors import BreakerError, SampleError
from curate.pipeline import FailureLimits, Step

__all__ = ["Breaker"]

SYSTEM_CODES = frozenset(
    (
        *("engine_failed", "engine_rejected", "expert_crashed", "expert_failed", "expert_hung"),
        *("not_a_number", "out_of_memory"),
    )
)
"""Errors that blame the stage, not the sample. Half of a crawl may be undecodable images: that stops nothing."""


@dataclass(slots=True)
class Window:
    """The last rows of one stage, in batches of (rows, bad, commonest message)."""

    batches: deque[tuple[int, int, str]] = field(default_factory=deque)
    rows: int = 0
    bad: int = 0

    def add(self, rows: int, bad: int, message: str, keep: int) -> None:
        self.batches.append((rows, bad, message))
        self.rows, self.bad = self.rows + rows, self.bad + bad
        while self.rows - self.batches[0][0] >= keep:
            oldest = self.batches.popleft()
            self.rows, self.bad = self.rows - oldest[0], self.bad - oldest[1]


@dataclass(slots=True)
class Breaker:
    """Counts per stage id what one worker measures and drops, and raises BreakerError past a limit; thread-safe."""

    limits: FailureLimits
    windows: dict[str, Window] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def measured(self, step: Step, errors: Sequence[SampleError | None]) -> None:
        """Count the rows that an expert measured."""
        limit = self.limits.max_error_frac
        if limit is None:
            return
        bad = Counter(f"{e.code}: {e.message}" for e in errors if e is not None and e.code in SYSTEM_CODES)
        common = bad.most_common(1)[0][0] if bad else ""
        with self.lock:
            if window := self._over(step, len(errors), bad.total(), common, limit):
                messages = Counter({text: 0 for _, _, text in window.batches})
                for _, n, text in window.batches:
                    messages[text] += n
                raise BreakerError(
                    f"{step.label} failed on {_percent(window)} of the last {window.rows:,} rows, more than "
                    f"max_error_frac={limit}; most often: {messages.most_common(1)[0][0]}; check its weights, engine "
                    f"and memory, then run again, or give the pipeline limits=FailureLimits(max_error_frac=None)"
                )

    def decided(self, step: Step, rows: int, dropped: int) -> None:
        """Count the rows that a filter decided on, and how many of them it dropped."""
        limit = self.limits.max_drop_frac
        if limit is None:
            return
        with self.lock:
            if window := self._over(step, rows, dropped, "", limit):
                raise BreakerError(
                    f"{step.label} dropped {_percent(window)} of the last {window.rows:,} rows, more than "
                    f"max_drop_frac={limit}; check its bound and the columns it reads, then run again, or give the "
                    f"pipeline limits=FailureLimits(max_drop_frac=None)"
                )

    def _over(self, step: Step, rows: int, bad: int, message: str, limit: float) -> Window | None:
        window = self.windows.setdefault(step.id, Window())
        window.add(rows, bad, message, self.limits.window_rows)
        return window if window.rows >= self.limits.min_rows and window.bad > limit * window.rows else None


def _percent(window: Window) -> str:
    return f"{window.bad / window.rows:.0%}"
