"""Cut a shard into chunks: all its samples when it was never read, else the rows that a segment has to measure."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import islice

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from curate.dataset.samples import sample_table
from curate.pipeline import Segment
from curate.run.chunk import Chunk
from curate.run.commit import read_cells, replay_shard
from curate.run.progress import ProgressEvent
from curate.run.spec import RunSpec
from curate.sources import fetch, scan
from curate.sources.shard import Shard, SourceSample
from curate.stages import SAMPLE_STAGE, CorpusStage

__all__ = ["CHUNK_BYTES", "ChunkSource", "cuts", "next_samples"]

CHUNK_BYTES = 256 << 20  # encoded images of one chunk; several chunks are in work at once


@dataclass(frozen=True, slots=True)
class ChunkSource:
    """Reads the chunks of shards for one segment, lazily and in order; `report` gets an event per chunk read anew."""

    spec: RunSpec
    segment: Segment
    report: Callable[[ProgressEvent], None]

    def chunks(self, shard: Shard, sample: pa.Table | None) -> Iterator[Chunk]:
        """Yield the chunks of a shard; `sample` is its sample cell, None if it was never read."""
        return self._scan(shard) if sample is None else self._fetch(shard, sample)

    def _scan(self, shard: Shard) -> Iterator[Chunk]:
        """Yield every sample of the shard in one pass; those that cannot be used, or are past its limit, not kept."""
        samples = scan(replace(shard, limit=None))
        key_counts: dict[str, int] = {}
        first, start = 0, time.perf_counter()
        while batch := next_samples(samples, self.segment.resources.batch_rows):
            table = sample_table(shard.name, batch, first, key_counts)
            kept = pc.is_null(table["error_code"]).to_numpy(zero_copy_only=False)
            failed = len(batch) - int(kept.sum())
            if shard.limit is not None:
                kept &= np.arange(first, first + len(batch)) < shard.limit
            first += len(batch)
            seconds = time.perf_counter() - start
            self.report(ProgressEvent(SAMPLE_STAGE, len(batch), failed, seconds))
            yield Chunk(table, [sample.image for sample in batch], kept)
            start = time.perf_counter()

    def _fetch(self, shard: Shard, sample: pa.Table) -> Iterator[Chunk]:
        """Yield the rows pending in a stage of this segment, with what earlier runs measured on them."""
        segment, steps = self.segment, self.spec.steps[: self.segment.stop]
        pending = replay_shard(self.spec, shard, sample).pending
        rows = np.flatnonzero((pending >= segment.first) & (pending < segment.stop))
        if not len(rows):
            return
        only = {name for step in steps if not isinstance(step.stage, CorpusStage) for name in step.stage.needs}
        cells = read_cells(self.spec.cells, steps, shard.name, sample.num_rows, only)
        payloads = fetch(shard, sample.take(pa.array(rows)))
        sizes = pc.fill_null(sample["image_size_bytes"], 0).to_numpy()[rows]
        for start, stop in cuts(sizes, segment.resources.batch_rows):
            at = pa.array(rows[start:stop])
            chunk = Chunk(
                sample.take(at),
                list(islice(payloads, len(at))),
                np.ones(len(at), dtype=bool),
                {name: cell.take(at) for name, cell in cells.items()},
            )
            for step in steps[: segment.first]:
                chunk.skip(step)
            yield chunk


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
