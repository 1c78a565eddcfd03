"""Drop samples that a subset file names."""

from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

__all__ = ["NotInSubset"]


@dataclass(frozen=True, slots=True)
class NotInSubset:
    """Keep the samples that `InSubset` did not find in its file; `column` is its answer.

    Source: our own: a student describes what its teacher was not paid for, and no evaluation may hold what was taught.

    >>> NotInSubset().keep(pa.table({"in_subset": [True, False, None]})).to_pylist()
    [False, True, None]
    """

    column: str = "in_subset"

    @property
    def needs(self) -> tuple[str, ...]:
        return (self.column,)

    def keep(self, table: pa.Table) -> pa.ChunkedArray:
        return pc.invert(table[self.column])
