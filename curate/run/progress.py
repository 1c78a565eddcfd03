"""What a run shows while it works: rows, speed and errors per stage."""

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from curate.pipeline import Step
from curate.run.pace import Pace
from curate.stages import SAMPLE_STAGE, SOURCE_NAME, Expert

__all__ = ["Progress", "ProgressEvent", "StageTotals", "Totals"]

LINE_SECONDS = 10.0  # without a terminal, a line at most this often
REDRAW_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class ProgressEvent:
    """One step of progress: the stage (an id) measured `rows`, of which `errors` failed, in `seconds` of a thread."""

    stage: str
    rows: int
    errors: int
    seconds: float


@dataclass(slots=True)
class StageTotals:
    """What a stage has measured so far."""

    rows: int = 0
    errors: int = 0
    seconds: float = 0.0


@dataclass(slots=True)
class Totals:
    """Sums of progress events by stage id, and of paces by index of the segment."""

    stages: dict[str, StageTotals] = field(default_factory=dict)
    paces: dict[int, Pace] = field(default_factory=dict)

    def add(self, event: ProgressEvent) -> None:
        each = self.stages.setdefault(event.stage, StageTotals())
        each.rows += event.rows
        each.errors += event.errors
        each.seconds += event.seconds

    def add_pace(self, index: int, more: Pace) -> None:
        self.paces[index] = self.paces.get(index, Pace()) + more

    def counts(self, steps: Sequence[Step]) -> dict[str, Any]:
        """Return rows, errors and seconds as the manifest records them: by the labels of the stages."""
        labels = {SAMPLE_STAGE: SOURCE_NAME} | {step.id: step.label for step in steps}
        return {labels[stage]: asdict(each) for stage, each in self.stages.items()}


@dataclass(slots=True)
class Progress:
    """Draws rows, speed and errors per stage, shards done and the time left; plain lines without a terminal."""

    steps: Sequence[Step]
    shards: int
    poll: Callable[[], Totals]
    console: Console
    done: int = 0
    started: float = field(default_factory=time.monotonic)
    last_line: float = 0.0

    def live(self, threaded: bool = True) -> Live:
        """Return the context in which the table is redrawn twice a second, by a thread unless `threaded` is false.

        Without the thread, call `refresh` on it; stdout is then left alone, so that a debugger can be used.
        """
        return Live(
            get_renderable=self.render,
            console=self.console,
            auto_refresh=threaded,
            refresh_per_second=1 / REDRAW_SECONDS,
            transient=True,
            redirect_stdout=threaded,
            redirect_stderr=threaded,
        )

    def finish_shard(self) -> None:
        """Count a finished shard; without a terminal, print a line at most every ten seconds."""
        self.done += 1
        now = time.monotonic()
        if not self.console.is_terminal and now - self.last_line > LINE_SECONDS:
            self.last_line = now
            self.console.print(self.summary(), soft_wrap=True)

    def summary(self) -> Text:
        elapsed = time.monotonic() - self.started
        left = f", about {elapsed / self.done * (self.shards - self.done):.0f} s left" if self.done else ""
        return Text(f"{self.done}/{self.shards} shards, {elapsed:.0f} s{left}")

    def render(self) -> RenderableType:
        totals = self.poll()
        elapsed = max(time.monotonic() - self.started, 1e-9)
        table = Table(box=None, pad_edge=False)
        for name in ("stage", "rows", "rows/s", "errors"):
            table.add_column(name, justify="left" if name == "stage" else "right")
        experts = [(step.id, step.label) for step in self.steps if isinstance(step.stage, Expert)]
        for stage, label in [(SAMPLE_STAGE, SOURCE_NAME), *experts]:
            each = totals.stages.get(stage, StageTotals())
            table.add_row(label, f"{each.rows:,}", f"{each.rows / elapsed:,.1f}", f"{each.errors:,}")
        return Group(table, self.summary())
