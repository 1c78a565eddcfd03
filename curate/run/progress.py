"""What a run shows while it works."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from curate.run.worker import ProgressEvent

__all__ = ["Progress", "StageTotals", "Totals"]


@dataclass(slots=True)
class StageTotals:
    """What a stage has measured so far."""

    rows: int = 0
    errors: int = 0
    seconds: float = 0.0


@dataclass(slots=True)
class Totals:
    """Sums of ticks by stage."""

    stages: dict[str, StageTotals] = field(default_factory=dict)

    def add(self, tick: ProgressEvent) -> None:
        each = self.stages.setdefault(tick.stage, StageTotals())
        each.rows += tick.rows
        each.errors += tick.errors
        each.seconds += tick.seconds


@dataclass(slots=True)
class Progress:
    """Draws rows, speed and errors per stage, shards done and the time left; plain lines without a terminal."""

    stages: list[str]
    shards: int
    poll: Callable[[], Totals]
    console: Console
    done: int = 0
    started: float = field(default_factory=time.monotonic)
    last_line: float = 0.0

    def live(self) -> Live:
        """Return the context in which the table is redrawn twice a second."""
        return Live(get_renderable=self.render, console=self.console, refresh_per_second=2, transient=True)

    def finish_shard(self) -> None:
        """Count a finished shard; without a terminal, say so at most every ten seconds."""
        self.done += 1
        now = time.monotonic()
        if not self.console.is_terminal and now - self.last_line > 10:
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
        for name in ["sample", *self.stages]:
            each = totals.stages.get(name, StageTotals())
            table.add_row(name, f"{each.rows:,}", f"{each.rows / elapsed:,.1f}", f"{each.errors:,}")
        return Group(table, self.summary())
