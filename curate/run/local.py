"""Measure in this process, without Ray: for notebooks, debuggers, tests and small inputs.

It is the loop of the Ray workers, so the same input gives the same bytes. It has no threads of its own: a traceback
shows the caller, and `breakpoint()` in an expert works. What needs a second process is missing: a native crash ends
this one, and a hang is not timed.
"""

import time
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from rich.console import Console

from curate.corpus.tables import measure_tables
from curate.dataset.cells import Outcomes, align, measured_table
from curate.dataset.samples import sample_table
from curate.errors import PlanError, SampleError
from curate.pipeline import Pipeline, Segment, Step
from curate.run.activity import Activity
from curate.run.breaker import Breaker
from curate.run.chunk import Chunk, Measured
from curate.run.chunk_runner import ChunkRunner
from curate.run.chunk_source import cuts
from curate.run.cluster import this_machine
from curate.run.fit import fit
from curate.run.gating import Gated, Mask
from curate.run.planner import Plan
from curate.run.progress import REDRAW_SECONDS, Progress, ProgressEvent, Totals
from curate.run.replay import replay, with_columns
from curate.run.scorers import ScorerCache
from curate.run.scoring import DecodedImages, Payload
from curate.run.worker import Worker
from curate.sources.shard import SourceSample, sample_uid
from curate.stages import CorpusStage, Expert, Measures, Pixels
from curate.storage.lock import fenced
from schemas.cell import CELL
from schemas.sample import SAMPLE

__all__ = ["Samples", "measure", "measure_cells", "run_local"]

Samples: TypeAlias = pa.Table | Iterable[SourceSample | tuple[bytes | None, str | None]]
"""A table, samples of a source, or pairs of an encoded image and its text; see `measure`."""


def run_local(plan: Plan, console: Console) -> dict[str, Any]:
    """Measure and commit the unfinished shards of a plan, one after another; return rows, errors and seconds by stage.

    Shards are committed in the order and under the fencing token of a run on Ray. What stops it is raised as it is.
    """
    spec, _ = fit(plan.spec, console, read=partial(this_machine, plan.spec.pipeline))
    shards, totals = plan.unfinished, Totals()
    everything, loading = tuple(range(len(spec.segments()))), set[str]()
    progress = Progress(
        spec,
        len(shards),
        lambda: totals,
        lambda: [Activity("here", everything, tuple(loading))],
        console,
        then=plan.then(),
    )
    with progress.live(threaded=False) as live:
        drawn = time.monotonic()

        def report(event: ProgressEvent) -> None:
            nonlocal drawn
            if event.loading is None:
                totals.add(event)
            else:
                (loading.add if event.loading else loading.discard)(event.stage)
            if event.loading or time.monotonic() - drawn >= REDRAW_SECONDS:
                drawn = time.monotonic()
                live.refresh()

        workers = [Worker(spec, i, report, threaded=False) for i in everything]
        for shard in shards:
            with fenced(spec.cells.store, spec.token):
                for worker in workers:
                    worker.measure(shard)
            progress.finish_shard()
    return totals.counts(spec.steps)


def measure(pipeline: Pipeline, samples: Samples, source: str = "samples") -> pa.Table:
    """Return one row per sample with all columns of a pipeline, `dropped_by` and `error`, as the view `samples` has.

    `samples` are pairs of an encoded image and its text, either may be None; or what `curate.sources.scan` yields; or
    a table: its binary column `image`, if there is one, holds encoded images, the other columns are given to the
    stages as they are, and SAMPLE columns that it lacks are null to them. `source` names the shard, of which `uid` is
    made where there is none.

    >>> from curate.experts.image_facts import ImageFacts
    >>> from curate.pixels import encode_jpeg
    >>> gray = encode_jpeg(np.full((32, 48, 3), 128, np.uint8), 90)
    >>> table = measure(Pipeline([ImageFacts()]), [(gray, "a gray image"), (b"not an image", None)])
    >>> table.select(["alt_text", "image_width_px", "error"]).to_pylist()[0]
    {'alt_text': 'a gray image', 'image_width_px': 48, 'error': None}
    >>> table["error"].to_pylist()
    [None, 'image_facts: image_undecodable']

    Raises PlanError if a stage does not fit or lacks something, BreakerError past the pipeline's limits.
    """
    if isinstance(samples, pa.Table):
        names = ["uid", *(name for name in samples.column_names if name not in {"uid", "image"})]
        table, payloads = _as_cell(samples, source), _payloads(samples)
    else:
        rows = [_as_sample(i, each) for i, each in enumerate(samples)]
        table, payloads = sample_table(source, rows, 0, {}), [sample.image for sample in rows]
        names = ["uid", "shard", "key", "row", *(name for name in SAMPLE.names if name not in {"shard", "key"})]
    steps = pipeline.resolve()
    cells = measure_cells(pipeline, table, payloads, steps=steps)
    state = replay(steps, table, cells)
    result = table.select(names)
    for step in steps:
        if isinstance(step.stage, Measures):
            result = with_columns(result, step.stage, cells.get(step.id))
    result = state.with_gates(result)
    result = result.append_column("dropped_by", pa.array(state.dropped_by, pa.string()))
    return result.append_column("error", pa.array(state.error, pa.string()))


def measure_cells(
    pipeline: Pipeline,
    table: pa.Table,
    payloads: Sequence[Payload] = (),
    images: Sequence[Pixels] = (),
    steps: Sequence[Step] = (),
) -> dict[str, pa.Table]:
    """Return the cells of a pipeline's experts over any table, by stage id; a stage that measured nothing has none.

    `table` has n rows with a `uid` and the columns that the first stages need; each cell has n rows too. `payloads`
    are the encoded images, `images` decoded ones that are used instead; each is empty or has n entries. `steps` is for
    a caller who has resolved the pipeline already.
    """
    table = _as_cell(table, "samples")
    pipeline.schema(table.drop_columns([name for name in CELL.names if name != "uid"]).schema)
    for expert in pipeline.experts:
        expert.check()
    steps = steps or pipeline.resolve()
    given = dict(zip(table["uid"].to_pylist(), payloads, strict=True)) if len(payloads) else {}
    kept = pc.is_null(table["error_code"]).to_numpy(zero_copy_only=False).copy()
    cells: dict[str, pa.Table] = {}
    gated = Gated(len(kept))
    for segment in pipeline.segments():
        if segment.first and isinstance((before := steps[segment.first - 1]).stage, CorpusStage):
            table = _with_pool(before, table, kept, given, cells)
        own, parts = steps[segment.first : segment.stop], []
        scorers = ScorerCache(segment.engine is not None)
        runner = ChunkRunner(segment, own, None, scorers, Breaker(pipeline.limits), lambda event: None)
        for rows in _chunk_rows(segment, kept, payloads):
            at = np.array(rows, np.int64)
            encoded = [payloads[i] if payloads else None for i in rows]
            chunk = Chunk(table.take(pa.array(rows)), encoded, kept[rows], gated=gated.take(at))
            given = {at: images[i] for at, i in enumerate(rows)} if len(images) else {}
            prepared = DecodedImages(chunk.payloads, given=given)
            parts.append(runner.run(chunk, images=prepared))
            kept[rows] = chunk.kept
            gated.put(at, chunk.gated)
        table = _with_cells(table, own, parts, cells)
    return cells


def _with_pool(
    step: Step, table: pa.Table, kept: Mask, payloads: Mapping[str, Payload], cells: dict[str, pa.Table]
) -> pa.Table:
    """Measure the kept rows as the pool of a corpus stage, put its cell into `cells`; return the table with it.

    A row that it cannot measure is not kept.
    """
    stage = step.stage
    assert isinstance(stage, CorpusStage)
    rows = np.flatnonzero(kept).astype(np.int32)
    pool = table.take(pa.array(rows)).select(["uid", *(name for name in stage.needs if name != "uid")])
    images = {uid: image for uid, image in payloads.items() if isinstance(image, bytes)}
    found = measure_tables(stage, {"samples": pool}, images)["samples"]
    errors = [None if code is None else SampleError(code, code) for code in found["error_code"].to_pylist()]
    columns = {name: found[name].combine_chunks() for name in stage.adds.names}
    outcomes = Outcomes(errors, np.ones(len(rows), np.int16))
    measured = measured_table(stage.adds, rows, pool["uid"].combine_chunks(), columns, outcomes)
    cells[step.id] = align(measured, table)
    kept[rows] = [error is None for error in errors]
    return with_columns(table, stage, cells[step.id])


def _with_cells(
    table: pa.Table, steps: Sequence[Step], parts: Sequence[Measured], cells: dict[str, pa.Table]
) -> pa.Table:
    """Put what a segment measured into `cells`, and return the table with the columns of its experts."""
    for step in steps:
        if isinstance(step.stage, Expert):
            if tables := [part.cells[step.id] for part in parts if step.id in part.cells]:
                cells[step.id] = align(pa.concat_tables(tables), table)
            table = with_columns(table, step.stage, cells.get(step.id))
    return table


def _chunk_rows(segment: Segment, kept: Mask, payloads: Sequence[Payload]) -> Iterable[list[int]]:
    """Yield the rows of each chunk that a worker would make: all rows in the first segment, then those kept so far."""
    rows = list(range(len(kept))) if segment.first == 0 else np.flatnonzero(kept).tolist()
    images = [payloads[i] if payloads else None for i in rows]
    sizes = [len(image) if isinstance(image, bytes) else 0 for image in images]
    for start, stop in cuts(np.array(sizes, np.int64), segment.resources.batch_rows):
        yield rows[start:stop]


def _as_sample(i: int, sample: SourceSample | tuple[bytes | None, str | None]) -> SourceSample:
    if isinstance(sample, SourceSample):
        return sample
    image, text = sample
    return SourceSample(f"{i:09d}", None if image is None else f"{i:09d}", image, text)


def _as_cell(table: pa.Table, source: str) -> pa.Table:
    """Return a table with the CELL and SAMPLE columns that it lacks, and without `image`."""
    n = table.num_rows
    columns = {name: table[name] for name in table.column_names if name != "image"}
    if "uid" not in columns:
        columns["uid"] = pa.array([sample_uid(source, f"{i:09d}") for i in range(n)], pa.string())
    cell = {
        "row": pa.array(np.arange(n, dtype=np.int32)),
        "measured": pa.array(np.ones(n, dtype=bool)),
        "attempt": pa.array(np.ones(n, dtype=np.int16)),
    }
    for field in (*CELL, *SAMPLE):
        if field.name not in columns:
            columns[field.name] = cell.get(field.name, pa.nulls(n, field.type))
    return pa.table(columns)


def _payloads(table: pa.Table) -> list[Payload]:
    if "image" not in table.column_names:
        return []
    kind = table.schema.field("image").type
    if not (pa.types.is_binary(kind) or pa.types.is_large_binary(kind)):
        raise PlanError(f"the column `image` is {kind}; give encoded images as binary, or no such column")
    return list(table["image"].to_pylist())
