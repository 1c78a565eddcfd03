"""A few rows of a shard on their way through the stages of one segment."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from curate.dataset.cells import align, merge
from curate.pipeline import Step
from curate.run.gating import Gated, Mask
from curate.run.replay import failed_with, with_columns
from curate.run.scoring import Payload
from curate.stages import Expert, Gate, Measures

__all__ = ["Chunk", "Measured"]


@dataclass(slots=True)
class Chunk:
    """n rows of a shard: `table` grows by each stage's columns, `kept` shrinks.

    `sample` are the rows as their sample cell has them, `payloads` their encoded images, `cells` by stage id what
    earlier runs measured on them, a row each; `gated` are the artefacts that gates dropped.
    """

    sample: pa.Table
    payloads: Sequence[Payload]
    kept: Mask
    cells: dict[str, pa.Table] = field(default_factory=dict)
    gated: Gated = field(default_factory=lambda: Gated(0))
    table: pa.Table = field(init=False)

    def __post_init__(self) -> None:
        self.table = self.sample
        if self.gated.rows != len(self.kept):
            self.gated = Gated(len(self.kept))

    def waiting(self, step: Step, retry: frozenset[str] | None) -> npt.NDArray[np.int64]:
        """Return the rows kept so far that the stage has not measured, or has to measure again."""
        cell, wanted = self.cells.get(step.id), self.kept & self.gated.alive(step.stage)
        if cell is None:
            return np.flatnonzero(wanted)
        measured = cell["measured"].to_numpy(zero_copy_only=False)
        if retry is not None:
            measured = measured & ~failed_with(cell, retry)
        return np.flatnonzero(wanted & ~measured)

    def attempts(self, step: Step) -> npt.NDArray[np.int16]:
        """Return how often each row was measured before."""
        cell = self.cells.get(step.id)
        return np.zeros(len(self.kept), np.int16) if cell is None else np.asarray(cell["attempt"].to_numpy())

    def accept(self, step: Step, stage: Expert, rows: npt.NDArray[np.int64], new: pa.Table | None) -> None:
        """Append the stage's columns: what `cells` holds, merged with the `new` cell rows of `rows`.

        A row that failed is not kept.
        """
        cell = self.cells.get(step.id)
        if new is not None:
            here = new.set_column(0, new.schema.field("row"), pa.array(rows, pa.int32()))  # positions in this chunk
            cell = align(here, self.sample) if cell is None else merge([cell, here.select(cell.column_names)])
        alive = self.gated.alive(stage)
        if cell is not None:
            self.kept &= pc.is_null(cell["error_code"]).to_numpy(zero_copy_only=False) | ~alive
        self.table = with_columns(self.table, stage, cell, alive)

    def skip(self, step: Step) -> None:
        """Pass a stage of an earlier segment: take its columns from `cells`, let a gate judge again."""
        if isinstance(step.stage, Measures):
            self.table = with_columns(self.table, step.stage, self.cells.get(step.id), self.gated.alive(step.stage))
        elif isinstance(step.stage, Gate):
            self.gated.judge(step, step.stage, self.table, self.kept)


@dataclass(slots=True)
class Measured:
    """What a segment measured on a chunk: its `sample` rows, new cell rows by stage id, request times of engines."""

    sample: pa.Table
    cells: dict[str, pa.Table] = field(default_factory=dict)
    requests: list[pa.Table] = field(default_factory=list)
