"""One worker's share: measure one segment of the pipeline on one shard after another."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace

from curate.pipeline import Segment, engines_of
from curate.run.breaker import Breaker
from curate.run.chunk import Chunk, Measured
from curate.run.chunk_runner import ChunkRunner
from curate.run.chunk_source import ChunkSource
from curate.run.commit import commit_cells, commit_shard
from curate.run.crash_isolation import OneByOne, Watchdog
from curate.run.pace import PaceMeter
from curate.run.progress import ProgressEvent
from curate.run.scorers import ScorerCache
from curate.run.shares import settled
from curate.run.spec import RunSpec
from curate.sources.shard import Shard
from curate.stages import SAMPLE_STAGE, Expert

__all__ = ["Worker"]


def _allow() -> None:
    """Let a commit go ahead."""


@dataclass(slots=True)
class Worker:
    """Measures shards with the models of one segment; several threads may call `measure` at once.

    `source` cuts a shard into chunks, `runner` measures each with the scorers that it loads when the first row needs
    them, and `commit_cells` writes what came out. `report` gets an event per batch, `pace` the rows that are through;
    `watchdog` ends the process when an expert hangs. Without `threaded`, chunks are measured one after another in the
    calling thread: for debuggers.
    """

    spec: RunSpec
    index: int
    report: Callable[[ProgressEvent], None]
    watchdog: Watchdog | None = None
    threaded: bool = True
    pace: PaceMeter = field(default_factory=lambda: PaceMeter(lambda pace: None))
    segment: Segment = field(init=False)
    source: ChunkSource = field(init=False)
    runner: ChunkRunner = field(init=False)
    threads: ThreadPoolExecutor | None = field(init=False)

    def __post_init__(self) -> None:
        self.spec = spec = settled(self.spec, self.index)
        segment = spec.segments()[self.index]
        steps = spec.steps[segment.first : segment.stop]
        self.segment = segment = replace(segment, stages=tuple(step.stage for step in steps))
        resources = segment.resources
        self.source = ChunkSource(spec, segment, self.report)
        self.runner = ChunkRunner(
            segment,
            steps,
            spec.retry,
            ScorerCache(segment.engine is not None, self.watchdog, self.report),
            Breaker(spec.pipeline.limits),
            self.report,
            ThreadPoolExecutor(int(resources.cpus)) if self.threaded and resources.cpus > 1 else None,
        )
        self.threads = ThreadPoolExecutor(resources.in_flight * resources.shards) if self.threaded else None

    def start_engine(self) -> None:
        """Start the engine of the segment, if it has one, by loading the first expert that holds it."""
        for step in self.spec.steps[self.segment.first : self.segment.stop]:
            if isinstance(step.stage, Expert) and engines_of(step.stage):
                self.runner.scorers.get(step, step.stage)
                return

    def measure(
        self, shard: Shard, one_by_one: OneByOne | None = None, allow_commit: Callable[[], None] = _allow
    ) -> int:
        """Commit what this segment has to add to a shard; after the last segment, its error rows and verdict.

        Returns how many rows were there to be measured. With `one_by_one`, one batch at a time and each recorded
        first: an earlier worker died on this shard. `allow_commit` is called before anything is written, and raises if
        this worker must not write any more.
        """
        with self.pace.shard():
            sample = self.spec.cells.read(SAMPLE_STAGE, shard.name)
            parts, rows = [], 0
            for part, here in self._measured(self.source.chunks(shard, sample), one_by_one):
                parts.append(part)
                self.pace.count(here)
                rows += here
            allow_commit()
            commit_cells(self.spec, self.segment, shard, sample, parts)
            if self.segment.stop == len(self.spec.steps):
                commit_shard(self.spec, shard)
        return rows

    def _measured(self, chunks: Iterable[Chunk], one_by_one: OneByOne | None) -> Iterator[tuple[Measured, int]]:
        """Measure chunks and yield the results in order, with how many rows there were; a bounded number at once."""
        waiting: deque[tuple[Future[Measured], int]] = deque()
        for chunk in chunks:
            rows = int(chunk.kept.sum())
            if one_by_one or self.threads is None:
                yield self.runner.run(chunk, one_by_one), rows
                continue
            waiting.append((self.threads.submit(self.runner.run, chunk), rows))
            if len(waiting) >= self.segment.resources.in_flight:
                yield _result(waiting.popleft())
        while waiting:
            yield _result(waiting.popleft())


def _result(measured: tuple[Future[Measured], int]) -> tuple[Measured, int]:
    return measured[0].result(), measured[1]
