"""A few rows of a shard on their way through the stages of one segment."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from curate.run.replay import Mask, failed_with
from curate.run.scoring import Payload
from curate.stages import Expert, stage_id

__all__ = ["Chunk"]


@dataclass(slots=True)
class Chunk:
    """n rows of a shard: `table` grows by each stage's columns, `alive` shrinks; `cells` is what earlier runs measured.

    `payloads` are the encoded images of the rows.
    """

    table: pa.Table
    payloads: Sequence[Payload]
    alive: Mask
    cells: dict[str, pa.Table] = field(default_factory=dict)

    def waiting(self, stage: Expert, retry: frozenset[str] | None) -> npt.NDArray[np.int64]:
        """Return the living rows that the stage has not measured, or has to measure again."""
        cell = self.cells.get(stage_id(stage))
        if cell is None:
            return np.flatnonzero(self.alive)
        measured = cell["measured"].to_numpy(zero_copy_only=False)
        if retry is not None:
            measured = measured & ~failed_with(cell, retry)
        return np.flatnonzero(self.alive & ~measured)

    def attempts(self, stage: Expert) -> npt.NDArray[np.int16]:
        """Return how often each row was measured before."""
        cell = self.cells.get(stage_id(stage))
        return np.zeros(len(self.alive), np.int16) if cell is None else np.asarray(cell["attempt"].to_numpy())

    def accept(self, stage: Expert, rows: npt.NDArray[np.int64], new: pa.Table | None) -> None:
        """Append the stage's columns: what `cells` knows, with the new measurements laid over it; failed rows die."""
        old = self.cells.get(stage_id(stage))
        where = np.full(len(self.alive), -1, dtype=np.int64) if old is None else np.arange(len(self.alive))
        parts = [] if old is None else [old.select(["error_code", *self._known(stage, old)])]
        if new is not None:
            where[rows] = (0 if old is None else old.num_rows) + np.arange(new.num_rows)
            parts.append(new.select(["error_code", *self._known(stage, old if old is not None else new)]))
        if parts:
            both = pa.concat_tables(parts).take(pa.array(where, mask=where < 0))
            self.alive &= pc.is_null(both["error_code"]).to_numpy(zero_copy_only=False)
        for f in stage.adds:
            known = bool(parts) and f.name in both.column_names
            values = both[f.name] if known else pa.nulls(len(self.alive), f.type)
            self.table = self.table.append_column(f.with_nullable(True), values)

    def _known(self, stage: Expert, cell: pa.Table) -> list[str]:
        return [name for name in stage.adds.names if name in cell.column_names]
