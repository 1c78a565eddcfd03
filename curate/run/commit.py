"""Commit a shard: the cells of a segment, and after the last one its error rows, then its verdict."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from curate.dataset.cells import Cells
from curate.dataset.samples import empty_samples
from curate.errors import ContractError
from curate.pipeline import Segment, Step
from curate.run.chunk import Measured
from curate.run.replay import Replay, replay
from curate.run.spec import RunSpec
from curate.sources.shard import Shard
from curate.stages import SAMPLE_STAGE, Filter, Gate, Measures
from schemas.error import ERROR

__all__ = ["commit_cells", "commit_finished", "commit_shard", "read_cells", "read_samples", "replay_shard"]

COMMITTED_AT_ONCE = 8
WAVE = 1_000  # shards handed to the threads at a time: a million futures would cost more than the work


def commit_cells(
    spec: RunSpec, segment: Segment, shard: Shard, sample: pa.Table | None, parts: Sequence[Measured]
) -> None:
    """Write what a segment measured on a shard, the stage that measured first last.

    Killed in between, the next run finds the same rows waiting and measures them in the same batches, so that even
    values that depend on the batch come out the same. For the same reason a shard that was never read (null `sample`)
    gets its sample cell last, over what a killed run left.
    """
    cells, fresh = spec.cells, sample is None
    if requests := [table for part in parts for table in part.requests]:
        index = [each.first for each in spec.pipeline.segments()].index(segment.first)  # its stages may be settled
        path = f"runs/{spec.run_id}.requests/{index}-{shard.name}.parquet"
        cells.store.write_table(path, pa.concat_tables(requests))
    if sample is None:
        sample = pa.concat_tables([empty_samples(), *(part.sample for part in parts)])
    for step in reversed(spec.steps[segment.first : segment.stop]):
        if tables := [part.cells[step.id] for part in parts if step.id in part.cells]:
            cells.add(step.id, shard.name, pa.concat_tables(tables), sample, fresh)
    if fresh:
        cells.add(SAMPLE_STAGE, shard.name, sample, sample)


def commit_shard(spec: RunSpec, shard: Shard) -> pa.Table:
    """Write the shard's error rows and verdict, the marker that its run is complete; return the verdict.

    Raises ContractError if samples are still pending.
    """
    sample = read_samples(spec, shard)
    cells = _cells(spec, shard, sample)
    return _commit(spec, shard, sample, cells, _replay(replace(spec, retry=None), shard, sample, cells))


def commit_finished(spec: RunSpec, shards: Sequence[Shard]) -> list[Shard]:
    """Commit the shards of which nothing is pending; return the others, in order.

    Memory is bounded: some dozen shards are in work at once.
    """

    def try_one(shard: Shard) -> bool:
        sample = read_samples(spec, shard)
        cells = _cells(spec, shard, sample)
        state = _replay(spec, shard, sample, cells)
        if (state.pending >= 0).any():
            return False
        _commit(spec, shard, sample, cells, state)
        return True

    left = []
    with ThreadPoolExecutor(COMMITTED_AT_ONCE) as threads:
        for start in range(0, len(shards), WAVE):
            wave = shards[start : start + WAVE]
            left += [shard for shard, done in zip(wave, threads.map(try_one, wave), strict=True) if not done]
    return left


def replay_shard(spec: RunSpec, shard: Shard, sample: pa.Table) -> Replay:
    """Replay the pipeline over the kept columns of a shard; rows past the shard's limit are not in the run.

    `sample` is the whole sample cell; the result has one entry per row of the run.
    """
    return _replay(spec, shard, sample, _cells(spec, shard, sample))


def read_cells(cells: Cells, steps: Sequence[Step], shard: str, rows: int, only: set[str]) -> dict[str, pa.Table]:
    """Return the cells of the steps that have measured something on a shard of `rows` samples, by stage id."""
    tables = {}
    for step in steps:
        if isinstance(step.stage, Measures) and (table := cells.read(step.id, shard, only)) is not None:
            if table.num_rows != rows:
                path = cells.path(step.id, shard)
                raise ContractError(f"{path} has {table.num_rows} rows, its shard {rows}; delete it and run again")
            tables[step.id] = table
    return tables


def read_samples(spec: RunSpec, shard: Shard) -> pa.Table:
    """Return the sample cell of a shard, as far as filters and error rows need it."""
    only = _filter_columns(spec.steps) | set(ERROR.names)
    sample = spec.cells.read(SAMPLE_STAGE, shard.name, only)
    if sample is None:
        raise ContractError(f"{shard.name} was never read; run again")
    return sample


def _filter_columns(steps: Sequence[Step]) -> set[str]:
    return {name for step in steps if isinstance(step.stage, Filter | Gate) for name in step.stage.needs}


def _cells(spec: RunSpec, shard: Shard, sample: pa.Table) -> dict[str, pa.Table]:
    only = _filter_columns(spec.steps) | {"error_message"}
    return read_cells(spec.cells, spec.steps, shard.name, sample.num_rows, only)


def _replay(spec: RunSpec, shard: Shard, sample: pa.Table, cells: dict[str, pa.Table]) -> Replay:
    rows = sample.num_rows if shard.limit is None else min(shard.limit, sample.num_rows)
    cut = {name: cell.slice(0, rows) for name, cell in cells.items()}
    return replay(spec.steps, sample.slice(0, rows), cut, spec.retry, spec.first)


def _commit(spec: RunSpec, shard: Shard, sample: pa.Table, cells: dict[str, pa.Table], state: Replay) -> pa.Table:
    verdict = state.verdict(sample.slice(0, len(state.kept)))
    _write_errors(spec, shard, sample, cells)
    spec.cells.store.write_table(spec.cells.path(spec.verdict_id, shard.name), verdict)
    return verdict


def _write_errors(spec: RunSpec, shard: Shard, sample: pa.Table, cells: dict[str, pa.Table]) -> None:
    """Rewrite `errors/<shard>.parquet`: this pipeline's errors anew, those of other stages as they were.

    It is the only file that two pipelines of one dataset both write; the dataset's lock lets one at a time do it.
    """
    store, path = spec.cells.store, f"errors/{shard.name}.parquet"
    cells = {**cells, SAMPLE_STAGE: sample}
    failed = {stage: cell for stage, cell in cells.items() if cell["error_code"].null_count < cell.num_rows}
    parts = [ERROR.empty_table(), *(_error_rows(stage, cell, sample) for stage, cell in failed.items())]
    if exists := store.exists(path):
        old = store.read_table(path)
        anew = pc.is_in(old["stage"], pa.array(list(cells)))
        for step in spec.steps:
            if step.pool:  # what a corpus stage measured in an earlier pool holds no more
                anew = pc.or_(anew, pc.starts_with(old["stage"], step.id.removesuffix(step.pool)))
        parts.append(old.filter(pc.invert(anew)))
    errors = pa.concat_tables(parts)
    if errors.num_rows:
        store.write_table(path, errors.sort_by([("stage", "ascending"), ("uid", "ascending")]))
    elif exists:
        store.remove(path)


def _error_rows(stage: str, cell: pa.Table, sample: pa.Table) -> pa.Table:
    """Return the ERROR rows of one cell."""
    rows = pa.array(np.flatnonzero(pc.is_valid(cell["error_code"]).to_numpy(zero_copy_only=False)))
    cell, sample = cell.take(rows), sample.take(rows)
    stages = pa.array([stage] * len(rows), pa.string())
    columns = [
        stages if name == "stage" else cell[name] if name in cell.column_names else sample[name] for name in ERROR.names
    ]
    return pa.Table.from_arrays(columns, schema=ERROR)
