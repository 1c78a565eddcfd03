"""Run the stages of one segment over one chunk."""

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from curate.dataset.cells import Outcomes, measured_table
from curate.pipeline import Segment, Step
from curate.run.breaker import Breaker
from curate.run.chunk import Chunk, Measured
from curate.run.crash_isolation import InFlight, OneByOne
from curate.run.progress import ProgressEvent
from curate.run.scorers import ScorerCache
from curate.run.scoring import DecodedImages, Scores, score, wants_luma
from curate.stages import Expert, Filter, Gate

__all__ = ["ChunkRunner"]


@dataclass(frozen=True, slots=True)
class ChunkRunner:
    """Runs the steps of a segment over chunks; several threads may call `run` at once.

    `steps` are those of the segment alone. `report` gets an event per batch, `decoders` decode images side by side.
    """

    segment: Segment
    steps: Sequence[Step]
    retry: frozenset[str] | None
    scorers: ScorerCache
    breaker: Breaker
    report: Callable[[ProgressEvent], None]
    decoders: ThreadPoolExecutor | None = None

    def run(self, chunk: Chunk, one_by_one: OneByOne | None = None, images: DecodedImages | None = None) -> Measured:
        """Measure what the chunk's rows lack; a row that is dropped or fails costs nothing afterwards.

        The chunk's table and `kept` are then those after the last stage. `images` are given by callers that have
        decoded them already.
        """
        if images is None:
            images = DecodedImages(chunk.payloads, self.decoders)
        measured = Measured(chunk.sample)
        for i, step in enumerate(self.steps):
            if isinstance(step.stage, Expert):
                images.release(pixels_asked(self.steps[i:]))
                rows = chunk.waiting(step, self.retry)
                if one_by_one and step.stage.pixels is not None:
                    decode_one_by_one(one_by_one, step, chunk, rows, images)
                new, times = self._score(step, step.stage, chunk, rows, images, one_by_one) if len(rows) else (None, [])
                if new is not None:
                    measured.cells[step.id] = new
                measured.requests += times
                chunk.accept(step, step.stage, rows, new)
            elif isinstance(step.stage, Gate):
                self.breaker.decided(step, *chunk.gated.judge(step, step.stage, chunk.table, chunk.kept))
            elif isinstance(step.stage, Filter) and chunk.kept.any():
                before = int(chunk.kept.sum())
                chunk.kept &= pc.fill_null(step.stage.keep(chunk.table), False).to_numpy(zero_copy_only=False)
                self.breaker.decided(step, before, before - int(chunk.kept.sum()))
        return measured

    def _score(
        self,
        step: Step,
        expert: Expert,
        chunk: Chunk,
        rows: npt.NDArray[np.int64],
        images: DecodedImages,
        one_by_one: OneByOne | None,
    ) -> tuple[pa.Table, list[pa.Table]]:
        """Return the step's cell rows for some rows of the chunk, and the times of their requests if it has any."""
        table = chunk.table.take(pa.array(rows)).select(["uid", *expert.needs])
        scorer = self.scorers.get(step, expert)
        if one_by_one:
            scorer = one_by_one.scorer(step.id, scorer)
        start = time.perf_counter()
        scores = score(expert, scorer, table, rows.tolist(), images)
        self.breaker.measured(step, scores.errors)
        failed = sum(error is not None for error in scores.errors)
        self.report(ProgressEvent(step.id, len(rows), failed, time.perf_counter() - start))
        outcomes = Outcomes(scores.errors, chunk.attempts(step)[rows] + np.int16(1))
        at, uids = chunk.table["row"].to_numpy()[rows], table["uid"].combine_chunks()
        new = measured_table(expert.adds, at, uids, scores.columns, outcomes)
        return new, _request_times(step, uids, scores)


def _request_times(step: Step, uids: pa.Array, scores: Scores) -> list[pa.Table]:
    if all(seconds is None for seconds in scores.latency_seconds):
        return []
    stage = pa.array([step.label] * len(uids))
    return [pa.table({"stage": stage, "uid": uids, "latency_seconds": pa.array(scores.latency_seconds)})]


def decode_one_by_one(
    one_by_one: OneByOne, step: Step, chunk: Chunk, rows: npt.NDArray[np.int64], images: DecodedImages
) -> None:
    """Decode one image after another, each recorded as in flight first; poison samples are not touched."""
    for row, uid in zip(rows.tolist(), chunk.table["uid"].take(pa.array(rows)).to_pylist(), strict=True):
        if error := one_by_one.poison_error(step.id, uid):
            images.broken[row] = error
        elif row not in images.broken:
            one_by_one.record(InFlight(step.id, (uid,)))
            images.get([row], *pixels_asked([step])[0])
    one_by_one.record(None)


def pixels_asked(steps: Sequence[Step]) -> list[tuple[int, bool]]:
    """Return the (shortest side, luma) that experts ask images in, in order; those without pixels ask for none."""
    experts = [step.stage for step in steps if isinstance(step.stage, Expert)]
    return [(expert.pixels, wants_luma(expert)) for expert in experts if expert.pixels is not None]
