"""What a run shows while it works: rows, speed and errors per stage."""

import itertools
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from curate.pipeline import Segment, Step
from curate.run.activity import Activity, Crew, Rates, StageLine, stage_lines
from curate.run.live_record import LiveLog
from curate.run.pace import Pace
from curate.run.spec import RunSpec
from curate.stages import SAMPLE_STAGE, SOURCE_NAME

__all__ = ["Progress", "ProgressEvent", "StageTotals", "Totals"]

LINE_SECONDS = 10.0  # without a terminal, between two lines; and between two words to who watches from elsewhere
LOG_SECONDS = 60.0
LONGEST_LINE = 1_000  # characters of an error in the log
REDRAW_SECONDS = 0.5
PATIENCE_SECONDS = 10.0  # for a worker to come before it is said what it waits for
JOIN_SECONDS = 5.0
WIDE = 70  # columns of a terminal that holds the whole table


@dataclass(frozen=True, slots=True)
class ProgressEvent:
    """One step of progress: the stage (an id) measured `rows`, of which `errors` failed, in `seconds` of a thread.

    `loading` says that its models begin to load (True) or have loaded (False), and nothing was measured.
    """

    stage: str
    rows: int = 0
    errors: int = 0
    seconds: float = 0.0
    loading: bool | None = None


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
    """Draws rows, speed of the last minute, errors, workers and waits per stage; plain lines without a terminal.

    `poll` looks up the sums so far and `crew` what workers are at. `lacking` says what the workers of a segment (an
    index) wait for that are not there yet; it is asked when none has come for some seconds. `then` is the corpus stage
    that waits for all shards. Whoever watches from elsewhere is told the same through the dataset folder.
    """

    spec: RunSpec
    shards: int
    poll: Callable[[], Totals]
    crew: Callable[[], Sequence[Activity]]
    console: Console
    lacking: Callable[[int], str] = field(default=lambda index: "")
    then: str = ""
    done: int = 0
    started: float = field(default_factory=time.monotonic)
    rates: Rates = field(default_factory=Rates)
    segments: list[Segment] = field(init=False)
    seen: dict[int, float] = field(default_factory=dict)
    log: LiveLog = field(init=False)
    told: float = 0.0

    def __post_init__(self) -> None:
        self.segments = self.spec.segments()
        self.log = LiveLog(self.spec.cells.store, self.spec.run_id)

    @contextmanager
    def live(self, threaded: bool = True) -> Iterator[Live]:
        """Redraw the table twice a second, by a thread unless `threaded` is false; print how fast it was at the end.

        Without the thread, call `refresh` on what is given; stdout is then left alone, so that a debugger can be used.
        Where there is no terminal, a thread prints a line every ten seconds.
        """
        stop = threading.Event()
        liner = threading.Thread(target=self._lines, args=(stop,), daemon=True)
        if threaded or not self.console.is_terminal:
            liner.start()
        self.log.say(f"begins: {self.shards:,} shards")
        try:
            with Live(
                get_renderable=self.render,
                console=self.console,
                auto_refresh=threaded,
                refresh_per_second=1 / REDRAW_SECONDS,
                transient=True,
                redirect_stdout=threaded,
                redirect_stderr=threaded,
            ) as live:
                yield live
        except BaseException as error:
            self.log.say(f"stops: {type(error).__name__}: {error}"[:LONGEST_LINE])
            raise
        finally:
            stop.set()
            if liner.ident is not None:
                liner.join(timeout=JOIN_SECONDS)
        ending = self.ending()
        self._say(ending)
        self._tell(self.lines(), f"ends: {ending}")

    def finish_shard(self) -> None:
        """Count a finished shard."""
        self.done += 1

    def render(self) -> RenderableType:
        """Return the table; narrow terminals get fewer columns."""
        wide = self.console.width >= WIDE
        table = Table(box=None, pad_edge=False)
        table.add_column("stage", no_wrap=True, overflow="ellipsis", min_width=8)
        for name in ("rows", "rows/s", "errors", "workers")[: 4 if wide else 2]:
            table.add_column(name, justify="right", no_wrap=True)
        table.add_column("" if wide else " ", overflow="fold" if wide else "ellipsis", no_wrap=not wide)
        for line in self.lines():
            numbers = [f"{line.rows:,}", f"{line.rate:,.1f}", f"{line.errors:,}", f"{line.workers}"]
            table.add_row(line.label, *numbers[: 4 if wide else 2], Text(line.state))
        return Group(table, self.summary())

    def lines(self) -> list[StageLine]:
        """Return what is known of each stage now."""
        now, sums, crew = time.monotonic(), self.poll().stages, self.crew()
        self.rates.look(now, {stage: each.rows for stage, each in sums.items()})
        for index in range(len(self.segments)):
            if any(index in each.segments for each in crew):
                self.seen[index] = now
        lacks = {
            i: self.lacking(i)
            for i in range(len(self.segments))
            if now - self.seen.get(i, self.started) >= PATIENCE_SECONDS
        }
        rows = {stage: (each.rows, each.errors) for stage, each in sums.items()}
        return stage_lines(self.spec.steps, self.segments, rows, self.rates, Crew(crew, lacks))

    def summary(self) -> Text:
        """Return how many shards are done, and how long the others may take."""
        elapsed = time.monotonic() - self.started
        left = f", about {elapsed / self.done * (self.shards - self.done):.0f} s left" if self.done else ""
        then = f"; {self.then} waits for the pool" if self.then else ""
        return Text(f"{self.done}/{self.shards} shards, {elapsed:.0f} s{left}{then}")

    def ending(self) -> str:
        """Return shards, seconds, and samples a second of all the time."""
        elapsed = max(time.monotonic() - self.started, 1e-9)
        rows = self.poll().stages.get(SAMPLE_STAGE, StageTotals()).rows
        read = f"; {rows:,} samples read, {rows / elapsed:,.1f}/s" if rows or not self.spec.first else ""
        return f"{self.done}/{self.shards} shards in {elapsed:.0f} s{read}"

    def _lines(self, stop: threading.Event) -> None:
        while not stop.wait(LINE_SECONDS):
            stages = self.lines()
            line = f"{self.summary()}; {short(stages)}"
            if not self.console.is_terminal:
                self._say(line)
            due = time.monotonic() - self.told >= LOG_SECONDS
            self._tell(stages, line if due else "")

    def _tell(self, stages: Sequence[StageLine], line: str) -> None:
        """Tell who watches from elsewhere how it stands, and put a line into the log, if there is one."""
        elapsed = time.monotonic() - self.started
        numbers = {
            "shards_done": self.done,
            "shards": self.shards,
            "seconds": round(elapsed, 1),
            "seconds_left": round(elapsed / self.done * (self.shards - self.done), 1) if self.done else None,
            "waits_for": self.then,
        }
        self.log.beat(numbers, stages)
        if line:
            self.told = time.monotonic()
            self.log.say(line)

    def _say(self, line: str) -> None:
        self.console.print(Text(line), soft_wrap=True)


def short(lines: Sequence[StageLine]) -> str:
    """Return all stages in a line: speeds where rows come through, else what neighbours wait for."""
    parts: list[str] = []
    for state, group in itertools.groupby(lines, key=lambda line: line.state or line.label):
        several = list(group)
        first = several[0]
        speed = f"{first.label} {first.rows:,} rows, {first.rate:,.1f}/s"
        parts.append(f"{', '.join(line.label for line in several)}: {state}" if first.state else speed)
    return "; ".join(parts)
