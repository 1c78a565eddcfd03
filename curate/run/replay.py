"""Filters replayed over kept columns: which samples are kept so far, what dropped the others, what is pending."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from curate.errors import ContractError
from curate.pipeline import Step
from curate.run.gating import Gated, Mask, decide
from curate.stages import SOURCE_NAME, Filter, Gate, Measures
from schemas.fields import about
from schemas.verdict import GATE, VERDICT

__all__ = ["Mask", "Replay", "failed_with", "replay", "with_columns"]


@dataclass(slots=True)
class Replay:
    """The state of every sample of a shard after all stages.

    `kept` bool[n]: not dropped, failed or pending. `pending` int32[n]: the index of the stage that has to measure the
    sample next, or -1. `dropped_by` and `error` are text, or None; `gated` says the same of artefacts.
    """

    kept: Mask
    pending: npt.NDArray[np.int32]
    dropped_by: npt.NDArray[np.object_]
    error: npt.NDArray[np.object_]
    gated: Gated = field(default_factory=lambda: Gated(0))

    def verdict(self, sample: pa.Table) -> pa.Table:
        """Return the VERDICT rows of the shard, with a column for each artefact that a gate judged.

        Raises ContractError if a sample is still pending.
        """
        if (self.pending >= 0).any():
            raise ContractError(f"{int((self.pending >= 0).sum())} samples are not measured yet")
        columns = [
            sample["row"],
            sample["uid"],
            pa.array(self.dropped_by, pa.string()),
            pa.array(self.error, pa.string()),
        ]
        return self.with_gates(pa.Table.from_arrays(columns, schema=VERDICT))

    def with_gates(self, table: pa.Table) -> pa.Table:
        """Append what dropped each artefact that a gate judged."""
        for artefact, reasons in self.gated.dropped_by.items():
            table = table.append_column(about(GATE, artefact).field(0), [pa.array(reasons, pa.string())])
        return table


def replay(
    steps: Sequence[Step],
    sample: pa.Table,
    cells: Mapping[str, pa.Table],
    retry: frozenset[str] | None = None,
    retry_from: int = 0,
) -> Replay:
    """Walk the stages over what was measured so far.

    `sample` has n rows (CELL and SAMPLE columns), `cells` maps stage ids to n rows each; a stage without a cell has
    measured nothing. With `retry`, samples that failed in a stage are pending there again: all of them if the set is
    empty, else those whose error code is in it. Stages before `retry_from` are left as they are.
    """
    n = sample.num_rows
    nothing = np.full(n, None, object)
    state = Replay(np.ones(n, dtype=bool), np.full(n, -1, dtype=np.int32), nothing, nothing.copy(), Gated(n))
    table = sample
    _mark_errors(state, sample, SOURCE_NAME)
    for i, step in enumerate(steps):
        if isinstance(step.stage, Measures):
            cell = cells.get(step.id)
            measured = np.zeros(n, dtype=bool) if cell is None else cell["measured"].to_numpy(zero_copy_only=False)
            if cell is not None and retry is not None and i >= retry_from:
                measured = measured & ~failed_with(cell, retry)
            alive = state.gated.alive(step.stage)
            state.pending[state.kept & alive & ~measured] = i
            state.kept &= measured | ~alive
            if cell is not None:
                _mark_errors(state, cell, step.label, alive)
            table = with_columns(table, step.stage, cell, alive)
        elif isinstance(step.stage, Gate):
            state.gated.judge(step, step.stage, table, state.kept)
        elif state.kept.any():
            _decide(step, step.stage, table, state)
    return state


def _decide(step: Step, stage: Filter, table: pa.Table, state: Replay) -> None:
    """Let a filter drop rows kept so far; a null means that a value it needs was never measured."""
    keep, unknown = decide(step, stage, table)
    state.dropped_by[state.kept & ~keep & ~unknown] = step.repr
    state.dropped_by[state.kept & unknown] = f"unmeasured: {step.repr}"
    state.kept &= keep


def with_columns(table: pa.Table, stage: Measures, cell: pa.Table | None, alive: Mask | None = None) -> pa.Table:
    """Append a stage's columns, as far as `cell` holds them; all null without a cell, and in rows that are not alive.

    A row that is not `alive` (None: all are) has lost the artefact: what was measured of it earlier is not looked at.
    """
    shown = None if alive is None or alive.all() else pa.array(np.arange(len(alive)), mask=~alive)
    for added in stage.adds:
        if cell is None:
            table = table.append_column(added.with_nullable(True), pa.nulls(table.num_rows, added.type))
        elif added.name in cell.column_names:
            column = cell[added.name] if shown is None else cell[added.name].take(shown)
            table = table.append_column(added.with_nullable(True), column)
    return table


def _mark_errors(state: Replay, cell: pa.Table, label: str, alive: Mask | None = None) -> None:
    failed = state.kept & pc.is_valid(cell["error_code"]).to_numpy(zero_copy_only=False)
    failed = failed if alive is None else failed & alive
    if failed.any():
        codes: Any = cell["error_code"].to_numpy()
        state.error[failed] = [f"{label}: {code}" for code in codes[failed]]
        state.kept &= ~failed


def failed_with(cell: pa.Table, codes: frozenset[str]) -> Mask:
    """Return which rows of a cell failed with one of the codes, or at all if `codes` is empty."""
    failed = pc.is_valid(cell["error_code"])
    if codes:
        failed = pc.and_(failed, pc.is_in(cell["error_code"], pa.array(sorted(codes))))
    return np.asarray(failed.to_numpy(zero_copy_only=False), dtype=bool)
