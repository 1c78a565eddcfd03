"""One worker's share: measure one segment of the pipeline on one shard after another."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace

from curate.pipeline import Segment
from curate.run.breaker import Breaker
from curate.run.chunk import Chunk, Measured
from curate.run.chunk_runner import ChunkRunner
from curate.run.chunk_source import ChunkSource
from curate.run.commit import commit_cells, commit_shard
from curate.run.crash_isolation import OneByOne, Watchdog
from curate.run.progress import ProgressEvent
from curate.run.scorers import ScorerCache
from curate.run.shares import settled
from curate.run.spec import RunSpec
from curate.sources.shard import Shard
from curate.stages import SAMPLE_STAGE

__all__ = ["Worker"]


def _allow() -> None:
    """Let a commit go ahead."""


@dataclass(slots=True)
class Worker:
    """Measures shards with the models of one segment; several threads may call `measure` at once.

    `source` cuts a shard into chunks, `runner` measures each with the scorers that it loads when the first row needs
    them, and `commit_cells` writes what came out. `report` gets an event per batch; `watchdog` ends the process when
    an expert hangs. Without `threaded`, chunks are measured one after another in the calling thread: for debuggers.
    """

    spec: RunSpec
    index: int
    report: Callable[[ProgressEvent], None]
    watchdog: Watchdog | None = None
    threaded: bool = True
    segment: Segment = field(init=False)
    source: ChunkSource = field(init=False)
    runner: ChunkRunner = field(init=False)
    threads: ThreadPoolExecutor | None = field(init=False)

    def __post_init__(self) -> None:
        self.spec = spec = settled(self.spec, self.index)
        segment = spec.pipeline.segments()[self.index]
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

    def measure(
        self, shard: Shard, one_by_one: OneByOne | None = None, allow_commit: Callable[[], None] = _allow
    ) -> None:
        """Commit what this segment has to add to a shard; after the last segment, its error rows and verdict.

        With `one_by_one`, one batch at a time and each recorded first: an earlier worker died on this shard.
        `allow_commit` is called before anything is written, and raises if this worker must not write any more.
        """
        sample = self.spec.cells.read(SAMPLE_STAGE, shard.name)
        chunks = self.source.chunks(shard, sample)
        if one_by_one or self.threads is None:
            parts = [self.runner.run(chunk, one_by_one) for chunk in chunks]
        else:
            parts = list(self._in_order(self.threads, chunks))
        allow_commit()
        commit_cells(self.spec, self.segment, shard, sample, parts)
        if self.segment.stop == len(self.spec.steps):
            commit_shard(self.spec, shard)

    def _in_order(self, threads: ThreadPoolExecutor, chunks: Iterable[Chunk]) -> Iterator[Measured]:
        """Measure chunks on several threads, a bounded number at once, and yield the results in order."""
        waiting: deque[Future[Measured]] = deque()
        for chunk in chunks:
            waiting.append(threads.submit(self.runner.run, chunk))
            if len(waiting) >= self.segment.resources.in_flight:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
