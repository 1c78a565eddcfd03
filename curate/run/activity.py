"""What workers are at, and what each stage waits for: the words of the display."""

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from curate.pipeline import Segment, Step, engines_of
from curate.stages import SAMPLE_STAGE, SOURCE_NAME, Expert

__all__ = ["Activity", "Rates", "StageLine", "stage_lines"]

WINDOW_SECONDS: Final = 60.0


@dataclass(frozen=True, slots=True)
class Activity:
    """What a worker is at: `segments` are the indices of those it measures, `loading` the ids of stages that load."""

    worker: str
    segments: tuple[int, ...] = ()
    loading: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class StageLine:
    """A stage in the display: rows and errors so far, rows a second of the last minute, workers, what it waits for.

    `state` is empty while rows come through.
    """

    label: str
    rows: int
    rate: float
    errors: int
    workers: int
    state: str


@dataclass(slots=True)
class Rates:
    """Rows a second of the last minute, by stage id, from looks at the sums; of all the time while that is shorter."""

    looks: deque[tuple[float, Mapping[str, int]]] = field(default_factory=deque)

    def look(self, now: float, rows: Mapping[str, int]) -> None:
        """Remember the sums at a time in seconds."""
        self.looks.append((now, dict(rows)))
        while len(self.looks) > 2 and self.looks[1][0] <= now - WINDOW_SECONDS:
            self.looks.popleft()

    def of(self, stage: str) -> float:
        """Return a stage's rows a second; 0 before the second look."""
        if len(self.looks) < 2:
            return 0.0
        (first, before), (last, after) = self.looks[0], self.looks[-1]
        return (after.get(stage, 0) - before.get(stage, 0)) / max(last - first, 1e-9)


def stage_lines(
    steps: Sequence[Step],
    segments: Sequence[Segment],
    sums: Mapping[str, tuple[int, int]],
    rates: Rates,
    crew: Sequence[Activity],
) -> list[StageLine]:
    """Return a line for the source and for each expert; `sums` are rows and errors by stage id."""
    lines: list[StageLine] = []
    loading = {stage for each in crew for stage in each.loading}
    for index, segment in enumerate(segments):
        workers = sum(index in each.segments for each in crew)
        experts = [step for step in steps[segment.first : segment.stop] if isinstance(step.stage, Expert)]
        named = [(step.id, step.label, bool(engines_of(step.stage))) for step in experts]  # type: ignore[arg-type]
        for stage, label, asks in [(SAMPLE_STAGE, SOURCE_NAME, False), *named] if not index else named:
            rows, errors = sums.get(stage, (0, 0))
            rate = rates.of(stage)
            state = "" if rate > 0 else _state(lines, workers)
            if stage in loading and rate == 0:
                state = "engine starting" if asks else "models loading"
            lines.append(StageLine(label, rows, rate, errors, workers, state))
    return lines


def _state(before: Sequence[StageLine], workers: int) -> str:
    """Return why no rows come through a stage that is not loading, by the lines of the stages before it."""
    if not before:
        return "reading" if workers else "no worker yet"
    if not workers and before[-1].rows:
        return "no worker yet"
    return f"waiting for {before[-1].label}"
