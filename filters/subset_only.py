"""Drop samples that a subset file does not name."""

from dataclasses import dataclass

import pyarrow as pa

__all__ = ["SubsetOnly"]


@dataclass(frozen=True, slots=True)
class SubsetOnly:
    """Keep the samples that `InSubset` found in its file; `column` is its answer, where a pipeline has several.

    Source: DataComp trains on the samples that a subset file names (Gadre et al. 2023, arXiv 2304.14108).

    >>> SubsetOnly().keep(pa.table({"in_subset": [True, False, None]})).to_pylist()
    [True, False, None]
    """

    column: str = "in_subset"

    @property
    def needs(self) -> tuple[str, ...]:
        return (self.column,)

    def keep(self, table: pa.Table) -> pa.ChunkedArray:
        return table[self.column]
