"""Keep so many samples of each language, or of any other kind."""

from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

__all__ = ["Quotas"]


@dataclass(frozen=True, slots=True)
class Quotas:
    """Keep of each value of the column `by` the samples with a rank below its quota; of all other values `others`.

    `column` is a rank inside those values: `stratum_rank` of `StratifiedSample(within=("text_language",))` draws them
    at random, `rank` of `RankFraction("clip_score", within=("text_language",))` takes the best. Null has the quota of
    others.
    Source: our own rule; mOSCAR, among others, treats each language by itself (Futeral et al. 2024, arXiv 2406.08707).

    >>> table = pa.table({"text_language": ["en", "en", "de", "de", None], "stratum_rank": [0, 2, 0, 1, 0]})
    >>> Quotas((("en", 2),), others=1).keep(table).to_pylist()
    [True, False, True, False, True]
    """

    quotas: tuple[tuple[str, int], ...] = (("en", 1_000_000),)
    others: int = 0
    column: str = "stratum_rank"
    by: str = "text_language"

    def __post_init__(self) -> None:
        for name, quota in (*self.quotas, ("others", self.others)):
            if quota < 0:
                raise ValueError(f"{name}={quota}: give a number of samples, 0 or more")
        if len(dict(self.quotas)) < len(self.quotas):
            raise ValueError(f"quotas={self.quotas!r}: give each value once")

    @property
    def needs(self) -> tuple[str, ...]:
        return (self.column, self.by)

    def keep(self, table: pa.Table) -> pa.ChunkedArray:
        values = pa.array([name for name, _ in self.quotas], pa.string())
        quotas = pa.array([quota for _, quota in self.quotas], pa.int64())
        place = pc.index_in(table[self.by].cast(pa.string()), value_set=values)
        return pc.less(table[self.column], pc.fill_null(pc.take(quotas, place), self.others))
