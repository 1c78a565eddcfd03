"""The last word on a shard: verdicts and error rows, derived from its cells."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from curate.dataset.cells import Columns
from curate.errors import ContractError
from curate.pipeline import Pipeline
from curate.run.replay import Replay, replay
from curate.sources.shard import Shard
from curate.stages import SAMPLE_STAGE, Expert, Stage, stage_id
from curate.storage.store import Store
from schemas.error import ERROR

__all__ = ["RunSpec", "commit_finished", "commit_shard", "read_cells", "replay_shard"]

COMMITTED_AT_ONCE = 8
WAVE = 1_000  # shards handed to the threads at a time: a million futures would cost more than the work


@dataclass(frozen=True, slots=True)
class RunSpec:
    """What a run is asked to do: travels to every worker.

    `limit` is the number of samples of the whole run, and part of the verdict's identity. `retry` holds the error
    codes to measure again (all when empty); None retries nothing.
    """

    pipeline: Pipeline
    dataset: str
    run_id: str
    limit: int | None = None
    retry: frozenset[str] | None = None

    @property
    def columns(self) -> Columns:
        return Columns(Store(self.dataset))

    @property
    def verdict_id(self) -> str:
        return self.pipeline.verdict_id(self.limit)


def read_cells(columns: Columns, stages: Sequence[Stage], shard: str, rows: int, only: set[str]) -> dict[str, pa.Table]:
    """Return the cells of the stages that have measured something on a shard of `rows` samples, by stage id."""
    cells = {}
    for stage in stages:
        if isinstance(stage, Expert) and (cell := columns.read(stage_id(stage), shard, only)) is not None:
            if cell.num_rows != rows:
                path = columns.path(stage_id(stage), shard)
                raise ContractError(f"{path} has {cell.num_rows} rows, its shard {rows}; delete it and run again")
            cells[stage_id(stage)] = cell
    return cells


def needed_columns(stages: Sequence[Stage]) -> set[str]:
    """Return the columns that filters read."""
    return {name for stage in stages if not isinstance(stage, Expert) for name in stage.needs}


def replay_shard(job: RunSpec, shard: Shard, sample: pa.Table) -> Replay:
    """Replay the job's pipeline over the kept columns of a shard; rows past the shard's limit are not in the run.

    `sample` is the whole sample cell; the result has one entry per row of the run.
    """
    return _replay(job, shard, sample, _cells(job, shard, sample))


def commit_shard(job: RunSpec, shard: Shard) -> pa.Table:
    """Commit the shard's error rows and verdict, the marker that its run is complete; return the verdict.

    Raises ContractError if samples still wait to be measured.
    """
    sample = read_samples(job, shard)
    cells = _cells(job, shard, sample)
    return _commit(job, shard, sample, cells, _replay(replace(job, retry=None), shard, sample, cells))


def commit_finished(job: RunSpec, shards: Sequence[Shard]) -> list[Shard]:
    """Settle the shards of which nothing waits to be measured; return the others, in order.

    Memory is bounded: some dozen shards are in work at once.
    """

    def try_one(shard: Shard) -> bool:
        sample = read_samples(job, shard)
        cells = _cells(job, shard, sample)
        state = _replay(job, shard, sample, cells)
        if (state.waits_for >= 0).any():
            return False
        _commit(job, shard, sample, cells, state)
        return True

    left = []
    with ThreadPoolExecutor(COMMITTED_AT_ONCE) as threads:
        for start in range(0, len(shards), WAVE):
            wave = shards[start : start + WAVE]
            left += [shard for shard, done in zip(wave, threads.map(try_one, wave), strict=True) if not done]
    return left


def _cells(job: RunSpec, shard: Shard, sample: pa.Table) -> dict[str, pa.Table]:
    stages = job.pipeline.stages
    return read_cells(job.columns, stages, shard.name, sample.num_rows, needed_columns(stages))


def _replay(job: RunSpec, shard: Shard, sample: pa.Table, cells: dict[str, pa.Table]) -> Replay:
    rows = sample.num_rows if shard.limit is None else min(shard.limit, sample.num_rows)
    cut = {name: cell.slice(0, rows) for name, cell in cells.items()}
    return replay(job.pipeline.stages, sample.slice(0, rows), cut, job.retry)


def _commit(job: RunSpec, shard: Shard, sample: pa.Table, cells: dict[str, pa.Table], state: Replay) -> pa.Table:
    verdict = state.verdict(sample.slice(0, len(state.alive)))
    _write_errors(job, shard, sample, cells)
    job.columns.store.write_table(job.columns.path(job.verdict_id, shard.name), verdict)
    return verdict


def read_samples(job: RunSpec, shard: Shard) -> pa.Table:
    """Return the sample cell of a shard, as far as filters and error rows need it."""
    only = needed_columns(job.pipeline.stages) | set(ERROR.names)
    sample = job.columns.read(SAMPLE_STAGE, shard.name, only)
    if sample is None:
        raise ContractError(f"{shard.name} was never read; run again")
    return sample


def _write_errors(job: RunSpec, shard: Shard, sample: pa.Table, cells: dict[str, pa.Table]) -> None:
    """Rewrite `errors/<shard>.parquet`: this pipeline's errors anew, those of other stages as they were."""
    store, path = job.columns.store, f"errors/{shard.name}.parquet"
    cells = {**cells, SAMPLE_STAGE: sample}
    parts = [_error_rows(stage, cell, sample) for stage, cell in cells.items()]
    if exists := store.exists(path):
        old = store.read_table(path)
        parts.append(old.filter(pc.invert(pc.is_in(old["stage"], pa.array(list(cells))))))
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
