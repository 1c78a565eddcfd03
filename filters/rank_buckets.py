"""Keep some of the buckets into which ranks are cut."""

from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

__all__ = ["RankBuckets"]

SUFFIX = "_frac"


@dataclass(frozen=True, slots=True)
class RankBuckets:
    """Keep the samples of the `kept` buckets, of which each holds `fraction` of the n samples that have a rank.

    Bucket 0 holds ranks 0 to `int(n * fraction)`, that one not included; bucket i those from `int(n * (i * fraction))`
    to `int(n * ((i + 1) * fraction))`, as 64-bit floats in numpy. `column` is the `rank_frac` of `RankFraction` with
    its prefix; the filter reads `rank` and `rank_count` beside it, as `MaxRankFrac` does.
    Source: buckets of 10 % of the pool by score in Goyal et al. 2024 (arXiv 2404.07177).

    >>> ranks = pa.table({"rank": [0, 1, 2, 3, None], "rank_count": [4, 4, 4, 4, None]})
    >>> RankBuckets("rank_frac", 0.5, (1,)).keep(ranks).to_pylist()
    [False, False, True, True, None]
    """

    column: str = "rank_frac"
    fraction: float = 0.1
    kept: tuple[int, ...] = (0,)

    def __post_init__(self) -> None:
        if not self.column.endswith(SUFFIX):
            raise ValueError(f"column={self.column!r}: give a column of RankFraction, such as rank_frac")
        if not 0 < self.fraction <= 1:
            raise ValueError(f"fraction={self.fraction}: give a fraction above 0, up to 1")
        if not self.kept or min(self.kept) < 0:
            raise ValueError(f"kept={self.kept}: give numbers of buckets, 0 the best")

    @property
    def needs(self) -> tuple[str, ...]:
        rank = self.column.removesuffix(SUFFIX)
        return (rank, f"{rank}_count")

    def keep(self, table: pa.Table) -> pa.ChunkedArray:
        rank, count = (table[name] for name in self.needs)
        inside = [
            pc.and_(pc.greater_equal(rank, self._edge(count, i)), pc.less(rank, self._edge(count, i + 1)))
            for i in sorted(set(self.kept))
        ]
        kept = inside[0]
        for each in inside[1:]:
            kept = pc.or_(kept, each)
        return kept

    def _edge(self, count: pa.ChunkedArray, bucket: int) -> pa.ChunkedArray:
        """Return the first rank of a bucket, for each row's own count."""
        edge = pc.multiply(pc.cast(count, pa.float64()), bucket * self.fraction)
        return pc.cast(pc.floor(edge), pa.int64())
