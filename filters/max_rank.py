"""Keep the best so many samples of the pool."""

from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

__all__ = ["MaxRank"]


@dataclass(frozen=True, slots=True)
class MaxRank:
    """Keep the `maximum` best: those with a rank below it, as ranks begin with 0. Exactly so many, if there are.

    `column` is a rank that `RankFraction` adds; with its `within`, so many of each group are kept.
    Source: our own rule; mOSCAR keeps the 8 images of a text that rank best in this way (Futeral et al. 2024, arXiv
    2406.08707).

    >>> MaxRank("rank", 2).keep(pa.table({"rank": [0, 2, 1, None]})).to_pylist()
    [True, False, True, None]
    """

    column: str = "rank"
    maximum: int = 1_000_000

    def __post_init__(self) -> None:
        if self.maximum < 1:
            raise ValueError(f"maximum={self.maximum}: give a number of samples, 1 or more")

    @property
    def needs(self) -> tuple[str, ...]:
        return (self.column,)

    def keep(self, table: pa.Table) -> pa.ChunkedArray:
        return pc.less(table[self.column], self.maximum)
