"""What workers are at, and what each stage waits for: the words of the display."""

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from curate.pipeline import Segment, Step
from curate.stages import SAMPLE_STAGE, SOURCE_NAME, Expert

__all__ = ["Activity", "Crew", "Rates", "StageLine", "stage_lines"]

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
    """Rows a second of the last minute, by stage id, from looks at the sums.

    Of a stage that is younger, from when its first rows were seen: the time in which its models load is not counted.
    """

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
        last, rows = self.looks[-1][0], self.looks[-1][1].get(stage, 0)
        seen = [(when, sums.get(stage, 0)) for when, sums in self.looks]
        blank = [look for look in seen if not look[1]][-1:]  # what came until the first look had begun before
        first, before = next((look for look in seen if 0 < look[1] < rows), blank[0] if blank else seen[0])
        return (rows - before) / max(last - first, 1e-9)


@dataclass(frozen=True, slots=True)
class Crew:
    """What the workers are at, and by index of a segment what those wait for that are not there yet."""

    workers: Sequence[Activity] = ()
    lacks: Mapping[int, str] = field(default_factory=dict)

    def of(self, index: int) -> int:
        """Return how many workers a segment has."""
        return sum(index in each.segments for each in self.workers)


def stage_lines(
    steps: Sequence[Step],
    segments: Sequence[Segment],
    sums: Mapping[str, tuple[int, int]],
    rates: Rates,
    crew: Crew,
) -> list[StageLine]:
    """Return a line for the source and for each expert; `sums` are rows and errors by stage id."""
    lines: list[StageLine] = []
    loading = {stage for each in crew.workers for stage in each.loading}
    for index, segment in enumerate(segments):
        experts = [step for step in steps[segment.first : segment.stop] if isinstance(step.stage, Expert)]
        named = [(step.id, step.label) for step in experts]
        for stage, label in [(SAMPLE_STAGE, SOURCE_NAME), *named] if not segment.first else named:
            rows, errors = sums.get(stage, (0, 0))
            rate = rates.of(stage)
            state = "" if rate > 0 else _state(lines, crew.of(index), crew.lacks.get(index, ""))
            if stage in loading and rate == 0:
                state = "engine starting" if segment.engine is not None else "models loading"
            lines.append(StageLine(label, rows, rate, errors, crew.of(index), state))
    return lines


def _state(before: Sequence[StageLine], workers: int, lacking: str) -> str:
    """Return why no rows come through a stage that is not loading, by the lines of the stages before it.

    A stage whose segment has no worker waits for one if there are rows for it, else for the stage before it.
    """
    if not workers and (not before or before[-1].rows):
        return f"no worker yet{lacking and f', waits for {lacking}'}"
    return f"waiting for {before[-1].label}" if before else "reading"
