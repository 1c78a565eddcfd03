"""One worker's share: measure one segment of the pipeline on one shard after another."""

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from curate.dataset.cells import Trouble, measured_table
from curate.dataset.samples import empty_samples, sample_table
from curate.pipeline import Segment
from curate.run.breaker import Breaker
from curate.run.chunk import Chunk
from curate.run.commit import RunSpec, commit_shard, read_cells, replay_shard
from curate.run.crash_isolation import InFlight, OneByOne, Watchdog
from curate.run.replay import with_columns
from curate.run.scoring import DecodedImages, score
from curate.sources import fetch, scan
from curate.sources.shard import Shard, SourceSample
from curate.stages import SAMPLE_STAGE, Batch, Expert, Measurement, Scorer, stage_id, stage_name

__all__ = ["ProgressEvent", "Worker"]

Measured: TypeAlias = dict[str, pa.Table]
"""New cell rows by stage id; under `LATENCY` the request times of engine stages."""

LATENCY = "latency"
CHUNK_BYTES = 256 << 20  # encoded images of one chunk; several chunks are in work at once


@dataclass(frozen=True, slots=True)
class ProgressEvent:
    """One step of progress: `stage` measured `rows`, of which `errors` failed, in `seconds` of one thread."""

    stage: str
    rows: int
    errors: int
    seconds: float


@dataclass(slots=True)
class Worker:
    """Holds the models of one segment and measures shards with them; several threads may call `measure` at once.

    `tell` hears of every batch; `watchdog` ends the process when an expert hangs. Models are loaded when the first row
    needs them: a shard whose rows are all measured, or all dead, costs a look at its columns.
    """

    job: RunSpec
    index: int
    tell: Callable[[ProgressEvent], None]
    watchdog: Watchdog | None = None
    segment: Segment = field(init=False)
    breaker: Breaker = field(init=False)
    scorers: dict[str, Scorer] = field(default_factory=dict)
    loading: threading.Lock = field(default_factory=threading.Lock)
    threads: ThreadPoolExecutor = field(init=False)
    decoders: ThreadPoolExecutor | None = field(init=False)

    def __post_init__(self) -> None:
        self.segment = self.job.pipeline.segments()[self.index]
        self.breaker = Breaker(self.job.pipeline.limits)
        resources = self.segment.resources
        self.threads = ThreadPoolExecutor(resources.in_flight * resources.shards)
        self.decoders = ThreadPoolExecutor(int(resources.cpus)) if resources.cpus > 1 else None

    def measure(self, shard: Shard, careful: OneByOne | None = None) -> None:
        """Commit what this segment has to add to a shard; after the last segment, its verdict.

        With `careful`, one batch at a time and each noted first: an earlier worker died on this shard.
        """
        columns = self.job.columns
        sample = columns.read(SAMPLE_STAGE, shard.name)
        rows: list[pa.Table] = []
        chunks = self._scan(shard, rows) if sample is None else self._fetch(shard, sample)
        parts: dict[str, list[pa.Table]] = {}
        each = (self._measure_chunk(chunk, careful) for chunk in chunks) if careful else self._in_order(chunks)
        for measured in each:
            for name, table in measured.items():
                parts.setdefault(name, []).append(table)
        if LATENCY in parts:
            path = f"runs/{self.job.run_id}.requests/{self.index}-{shard.name}.parquet"
            columns.store.write_table(path, pa.concat_tables(parts.pop(LATENCY)))
        self._commit(shard, sample, {name: pa.concat_tables(tables) for name, tables in parts.items()}, rows)
        if self.index == len(self.job.pipeline.segments()) - 1:
            commit_shard(self.job, shard)

    def _commit(self, shard: Shard, sample: pa.Table | None, new: Measured, rows: list[pa.Table]) -> None:
        """Write cells, the stage that measured first last: killed in between, the next run finds the same rows waiting.

        It then measures them in the same batches, so that even values that depend on the batch come out the same. For
        the same reason a shard that was never read gets its sample cell last, over what a killed run left.
        """
        columns, fresh = self.job.columns, sample is None
        if sample is None:
            sample = pa.concat_tables([empty_samples(), *rows])
        order = [stage_id(stage) for stage in reversed(self.segment.experts)]
        for stage in sorted(new, key=order.index):
            columns.add(stage, shard.name, new[stage], sample, fresh)
        if fresh:
            columns.add(SAMPLE_STAGE, shard.name, sample, sample)

    def _scan(self, shard: Shard, rows: list[pa.Table]) -> Iterator[Chunk]:
        """Yield the chunks of a shard that was never read, in one pass; `rows` receives its sample cell."""
        samples = scan(replace(shard, limit=None))
        seen: dict[str, int] = {}
        first, start = 0, time.perf_counter()
        while batch := next_samples(samples, self.segment.resources.batch_rows):
            table = sample_table(shard.name, batch, first, seen)
            rows.append(table)
            alive = pc.is_null(table["error_code"]).to_numpy(zero_copy_only=False)
            if shard.limit is not None:
                alive &= np.arange(first, first + len(batch)) < shard.limit
            first += len(batch)
            self.tell(ProgressEvent("sample", len(batch), len(batch) - int(alive.sum()), time.perf_counter() - start))
            yield Chunk(table, [sample.image for sample in batch], alive)
            start = time.perf_counter()

    def _fetch(self, shard: Shard, sample: pa.Table) -> Iterator[Chunk]:
        """Yield chunks of the rows that wait for a stage of this segment, with what earlier runs measured on them."""
        segment, stages = self.segment, self.job.pipeline.stages[: self.segment.stop]
        waits_for = replay_shard(self.job, shard, sample).waits_for
        waiting = np.flatnonzero((waits_for >= segment.first) & (waits_for < segment.stop))
        if not len(waiting):
            return
        only = {name for stage in stages for name in stage.needs}
        cells = read_cells(self.job.columns, stages, shard.name, sample.num_rows, only)
        payloads = fetch(shard, sample.take(pa.array(waiting)))
        sizes = pc.fill_null(sample["image_size_bytes"], 0).to_numpy()[waiting]
        for start, stop in cuts(sizes, segment.resources.batch_rows):
            at = pa.array(waiting[start:stop])
            chunk = Chunk(
                sample.take(at),
                list(islice(payloads, len(at))),
                np.ones(len(at), dtype=bool),
                {name: cell.take(at) for name, cell in cells.items()},
            )
            for stage in stages[: segment.first]:
                if isinstance(stage, Expert):
                    chunk.table = with_columns(chunk.table, stage, chunk.cells.get(stage_id(stage)))
            yield chunk

    def _in_order(self, chunks: Iterable[Chunk]) -> Iterator[Measured]:
        """Measure chunks on several threads, a bounded number at once, and yield the results in order."""
        waiting: deque[Future[Measured]] = deque()
        for chunk in chunks:
            waiting.append(self.threads.submit(self._measure_chunk, chunk))
            if len(waiting) >= self.segment.resources.in_flight:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()

    def _measure_chunk(self, chunk: Chunk, careful: OneByOne | None = None) -> Measured:
        """Run the segment's stages over one chunk; a row that dies or fails costs nothing afterwards."""
        images = DecodedImages(chunk.payloads, self.segment.side, self.segment.luma, self.decoders)
        measured: Measured = {}
        for stage in self.segment.stages:
            if isinstance(stage, Expert):
                rows = chunk.waiting(stage, self.job.retry)
                if careful and stage.pixels is not None:
                    look_first(careful, stage, chunk, rows, images)
                new = self._score(stage, chunk, rows, images, measured, careful) if len(rows) else None
                chunk.accept(stage, rows, new)
            elif chunk.alive.any():
                before = int(chunk.alive.sum())
                chunk.alive &= pc.fill_null(stage.keep(chunk.table), False).to_numpy(zero_copy_only=False)
                self.breaker.decided(repr(stage), before, before - int(chunk.alive.sum()))
        return measured

    def _score(
        self,
        stage: Expert,
        chunk: Chunk,
        rows: npt.NDArray[np.int64],
        images: DecodedImages,
        measured: Measured,
        careful: OneByOne | None,
    ) -> pa.Table:
        """Return the stage's cell rows for some rows of the chunk, and note them in `measured`."""
        table = chunk.table.take(pa.array(rows)).select(["uid", *stage.needs])
        scorer = self._scorer(stage)
        if careful:
            scorer = careful.scorer(stage_id(stage), scorer)
        start = time.perf_counter()
        scores = score(stage, scorer, table, rows.tolist(), images)
        self.breaker.measured(stage_name(stage), scores.errors)
        failed = sum(error is not None for error in scores.errors)
        self.tell(ProgressEvent(stage_name(stage), len(rows), failed, time.perf_counter() - start))
        trouble = Trouble(scores.errors, chunk.attempts(stage)[rows] + np.int16(1))
        at, uids = chunk.table["row"].to_numpy()[rows], table["uid"].combine_chunks()
        new = measured_table(stage.adds, at, uids, scores.columns, trouble)
        measured[stage_id(stage)] = new
        if any(seconds is not None for seconds in scores.latency_seconds):
            name = pa.array([stage_name(stage)] * len(rows))
            times = pa.table({"stage": name, "uid": uids, "latency_seconds": pa.array(scores.latency_seconds)})
            measured[LATENCY] = pa.concat_tables([measured[LATENCY], times]) if LATENCY in measured else times
        return new

    def _scorer(self, stage: Expert) -> Scorer:
        """Return the stage's scorer, loaded once; only engines may be called by several threads at once."""
        with self.loading:
            if stage_id(stage) not in self.scorers:
                scorer = stage.load()
                if self.watchdog:
                    scorer = self.watchdog.watched(stage_id(stage), scorer, stage.resources.timeout_seconds)
                self.scorers[stage_id(stage)] = scorer if self.segment.engine else one_at_a_time(scorer)
            return self.scorers[stage_id(stage)]


def look_first(
    careful: OneByOne, stage: Expert, chunk: Chunk, rows: npt.NDArray[np.int64], images: DecodedImages
) -> None:
    """Decode one image after another, each noted first; the guilty are not touched."""
    for row, uid in zip(rows.tolist(), chunk.table["uid"].take(pa.array(rows)).to_pylist(), strict=True):
        if error := careful.verdict(stage_id(stage), uid):
            images.decoded[row] = error
        elif row not in images.decoded:
            careful.tell(InFlight(stage_id(stage), (uid,)))
            images.get([row])
    careful.tell(None)


def next_samples(samples: Iterator[SourceSample], rows: int) -> list[SourceSample]:
    """Take the samples of the next chunk: `rows` of them, fewer when their images reach CHUNK_BYTES."""
    batch: list[SourceSample] = []
    size = 0
    for sample in islice(samples, rows):
        batch.append(sample)
        size += len(sample.image or b"")
        if size >= CHUNK_BYTES:
            break
    return batch


def cuts(sizes: npt.NDArray[np.int64], rows: int) -> Iterator[tuple[int, int]]:
    """Yield (start, stop) of the chunks that `next_samples` would make of images of these sizes.

    >>> list(cuts(np.array([1, 1, CHUNK_BYTES, 1, 1]), rows=2))
    [(0, 2), (2, 3), (3, 5)]
    """
    start = size = 0
    for i, each in enumerate(sizes.tolist()):
        size += each
        if i + 1 - start == rows or size >= CHUNK_BYTES:
            yield start, i + 1
            start, size = i + 1, 0
    if start < len(sizes):
        yield start, len(sizes)


def one_at_a_time(scorer: Scorer) -> Scorer:
    """Return a scorer that threads take turns with: while one batch is measured, others are decoded."""
    lock = threading.Lock()

    def locked(batch: Batch) -> Measurement:
        with lock:
            return scorer(batch)

    return locked
