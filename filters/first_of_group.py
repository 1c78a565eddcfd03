"""Keep one sample of each group of duplicates."""

from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

__all__ = ["FirstOfGroup"]


@dataclass(frozen=True, slots=True)
class FirstOfGroup:
    """Keep the sample that its group of duplicates is named by: the best one, as the stage that made the groups chose.

    `column` is a group that `ExactDuplicates`, `NearDuplicates` or `TextDuplicates` adds.
    Source: our own rule; that one of a group is kept is common to deduplication, e.g. DataComp's and LAION's.

    >>> FirstOfGroup().keep(pa.table({"uid": ["a", "b", "c"], "duplicate_group": ["a", "a", None]})).to_pylist()
    [True, False, None]
    """

    column: str = "duplicate_group"

    @property
    def needs(self) -> tuple[str, ...]:
        return (self.column, "uid")

    def keep(self, table: pa.Table) -> pa.ChunkedArray:
        return pc.equal(table[self.column], table["uid"])
