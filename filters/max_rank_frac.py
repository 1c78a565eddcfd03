"""Keep the best fraction of the pool."""

from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

__all__ = ["MaxRankFrac"]

SUFFIX = "_frac"


@dataclass(frozen=True, slots=True)
class MaxRankFrac:
    """Keep exactly the `int(n * fraction)` best of the n samples that have a rank, or of each group.

    `column` is the `rank_frac` that `RankFraction` adds, with its prefix. The product is that of 64-bit floats, as in
    numpy; a comparison of `rank_frac` itself would keep one sample more or less where it is rounded, so the filter
    reads `rank` and `rank_count` beside it.
    Source: DataComp keeps 0.3 by CLIP score (Gadre et al. 2023, arXiv 2304.14108).

    >>> ranks = pa.table({"rank": [0, 2, 1, None], "rank_count": [3, 3, 3, None]})
    >>> MaxRankFrac("rank_frac", 0.67).keep(ranks).to_pylist()
    [True, False, True, None]
    """

    column: str = "rank_frac"
    fraction: float = 0.3

    def __post_init__(self) -> None:
        if not self.column.endswith(SUFFIX):
            raise ValueError(f"column={self.column!r}: give a column of RankFraction, such as rank_frac")
        if not 0 < self.fraction <= 1:
            raise ValueError(f"fraction={self.fraction}: give a fraction above 0, up to 1")

    @property
    def needs(self) -> tuple[str, ...]:
        rank = self.column.removesuffix(SUFFIX)
        return (rank, f"{rank}_count")

    def keep(self, table: pa.Table) -> pa.ChunkedArray:
        rank, count = (table[name] for name in self.needs)
        kept = pc.floor(pc.multiply(pc.cast(count, pa.float64()), self.fraction))
        return pc.less(rank, pc.cast(kept, pa.int64()))
