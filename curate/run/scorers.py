"""The scorers of one segment: each expert is loaded once per worker, when the first row needs it."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from curate.pipeline import Step
from curate.run.crash_isolation import Watchdog
from curate.run.progress import ProgressEvent
from curate.stages import Batch, Expert, Measurement, Scorer

__all__ = ["ScorerCache"]


@dataclass(slots=True)
class ScorerCache:
    """Scorers by stage id. With an engine in the segment several threads may call one at once, else they take turns.

    With a `watchdog`, a scorer that does not answer in its expert's `timeout_seconds` ends the process. `report` is
    told when an expert begins to load and when it has.
    """

    has_engine: bool
    watchdog: Watchdog | None = None
    report: Callable[[ProgressEvent], None] = field(default=lambda event: None)
    scorers: dict[str, Scorer] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def get(self, step: Step, expert: Expert) -> Scorer:
        """Return the scorer of a step's expert, loaded if need be."""
        with self.lock:
            if step.id not in self.scorers:
                self.report(ProgressEvent(step.id, loading=True))
                try:
                    scorer = expert.load()
                finally:
                    self.report(ProgressEvent(step.id, loading=False))
                if self.watchdog:
                    scorer = self.watchdog.watched(step.id, scorer, expert.resources.timeout_seconds)
                self.scorers[step.id] = scorer if self.has_engine else one_at_a_time(scorer)
            return self.scorers[step.id]


def one_at_a_time(scorer: Scorer) -> Scorer:
    """Return a scorer that threads take turns with: while one batch is measured, others are decoded."""
    lock = threading.Lock()

    def locked(batch: Batch) -> Measurement:
        with lock:
            return scorer(batch)

    return locked
