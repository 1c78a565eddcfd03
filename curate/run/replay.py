"""Filters replayed over kept columns: who is alive, who was dropped by what, who still waits to be measured."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from curate.errors import ContractError
from curate.stages import Expert, Filter, Stage, stage_id, stage_name
from schemas.verdict import VERDICT

__all__ = ["Mask", "Replay", "decide", "failed_with", "replay", "with_columns"]

Mask = npt.NDArray[np.bool_]


@dataclass(slots=True)
class Replay:
    """The state of every sample of a shard after all stages; `waits_for` is a stage index, or -1."""

    alive: Mask
    waits_for: npt.NDArray[np.int32]
    dropped_by: npt.NDArray[np.object_]
    error: npt.NDArray[np.object_]

    def verdict(self, sample: pa.Table) -> pa.Table:
        """Return the VERDICT rows of the shard; no sample may still wait."""
        if (self.waits_for >= 0).any():
            raise ContractError(f"{int((self.waits_for >= 0).sum())} samples are not measured yet")
        columns = [
            sample["row"],
            sample["uid"],
            pa.array(self.dropped_by, pa.string()),
            pa.array(self.error, pa.string()),
        ]
        return pa.Table.from_arrays(columns, schema=VERDICT)


def replay(
    stages: Sequence[Stage], sample: pa.Table, cells: Mapping[str, pa.Table], retry: frozenset[str] | None = None
) -> Replay:
    """Walk the stages over what was measured so far.

    `sample` has n rows (CELL and SAMPLE columns), `cells` maps stage ids to n rows each; a stage without a cell has
    measured nothing. With `retry`, samples that failed in a stage wait for it again: all of them if the set is
    empty, else those whose error code is in it.
    """
    n = sample.num_rows
    state = Replay(
        np.ones(n, dtype=bool), np.full(n, -1, dtype=np.int32), np.full(n, None, object), np.full(n, None, object)
    )
    table = sample
    _mark_errors(state, sample, "sample")
    for i, stage in enumerate(stages):
        if isinstance(stage, Expert):
            cell = cells.get(stage_id(stage))
            measured = np.zeros(n, dtype=bool) if cell is None else cell["measured"].to_numpy(zero_copy_only=False)
            if cell is not None and retry is not None:
                measured = measured & ~failed_with(cell, retry)
            waits = state.alive & ~measured
            state.waits_for[waits] = i
            state.alive &= measured
            if cell is not None:
                _mark_errors(state, cell, stage_name(stage))
            table = with_columns(table, stage, cell)
        elif state.alive.any():
            decide(stage, table, state)
    return state


def decide(stage: Filter, table: pa.Table, state: Replay) -> None:
    """Let a filter drop living rows; a null verdict means that a value it needs was never measured."""
    verdict = stage.keep(table)
    if len(verdict) != table.num_rows:
        raise ContractError(f"{stage!r}: {len(verdict)} verdicts for {table.num_rows} rows")
    keep = pc.fill_null(verdict, False).to_numpy(zero_copy_only=False)
    unknown = pc.is_null(verdict).to_numpy(zero_copy_only=False)
    state.dropped_by[state.alive & ~keep & ~unknown] = repr(stage)
    state.dropped_by[state.alive & unknown] = f"unmeasured: {stage!r}"
    state.alive &= keep


def with_columns(table: pa.Table, stage: Expert, cell: pa.Table | None) -> pa.Table:
    """Append a stage's columns, as far as `cell` holds them; all null without a cell."""
    for field in stage.adds:
        if cell is None:
            table = table.append_column(field.with_nullable(True), pa.nulls(table.num_rows, field.type))
        elif field.name in cell.column_names:
            table = table.append_column(field.with_nullable(True), cell[field.name])
    return table


def _mark_errors(state: Replay, cell: pa.Table, name: str) -> None:
    failed = state.alive & pc.is_valid(cell["error_code"]).to_numpy(zero_copy_only=False)
    if failed.any():
        codes: Any = cell["error_code"].to_numpy()
        state.error[failed] = [f"{name}: {code}" for code in codes[failed]]
        state.alive &= ~failed


def failed_with(cell: pa.Table, codes: frozenset[str]) -> Mask:
    """Return which rows of a cell failed with one of the codes, or at all if `codes` is empty."""
    failed = pc.is_valid(cell["error_code"])
    if codes:
        failed = pc.and_(failed, pc.is_in(cell["error_code"], pa.array(sorted(codes))))
    return np.asarray(failed.to_numpy(zero_copy_only=False), dtype=bool)
