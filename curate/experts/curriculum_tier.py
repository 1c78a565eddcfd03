"""Cut ranks into the tiers of a curriculum."""

import math
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
import pyarrow as pa

from curate.errors import PlanError
from curate.stages import Batch, Measurement, Resources, Scorer
from schemas.curriculum import CURRICULUM_TIER
from schemas.prefix import check_prefix, prefixed

__all__ = ["CurriculumTier"]

SUFFIX = "_frac"


@dataclass(frozen=True)
class CurriculumTier:
    """Add the tier that a sample's rank falls into, 1 the first; see `schemas.curriculum`.

    `column` is the `rank_frac` of a `RankFraction` with the easiest first; `shares` are the sizes of the tiers, in any
    unit. Of n samples with a rank, tier i ends before rank `int(n * s)`, s being the share of tiers 1 to i: exact, ties
    by uid. The mean of the score that was ranked cannot fall from tier to tier, and rises unless scores tie; that of
    other columns need not. `curate export ... --by curriculum_tier` writes each tier as a set of shards of its own.
    Source: SAIL-VL trains on 21M, 12M and 3.5M samples in this order (arXiv 2501.05952). There the stages are datasets
    of other kinds; cutting one pool by a score is ours.
    """

    column: str = "rank_frac"
    shares: tuple[float, ...] = (21.0, 12.0, 3.5)
    prefix: str = ""
    version: ClassVar[int] = 1
    pixels: ClassVar[None] = None
    resources: Resources = field(default=Resources(batch_rows=4096), repr=False, compare=False)

    def __post_init__(self) -> None:
        check_prefix(self.prefix)
        if not self.column.endswith(SUFFIX):
            raise PlanError(f"CurriculumTier: column={self.column!r}: give one of RankFraction, such as rank_frac")
        if not self.shares or len(self.shares) > 127 or not all(0 < share < math.inf for share in self.shares):
            raise PlanError(f"CurriculumTier: shares={self.shares}: give sizes above 0, such as (21, 12, 3.5)")

    @property
    def needs(self) -> tuple[str, ...]:
        rank = self.column.removesuffix(SUFFIX)
        return (rank, f"{rank}_count")

    @property
    def adds(self) -> pa.Schema:
        return prefixed(CURRICULUM_TIER, self.prefix)

    def check(self) -> None:
        """Nothing can be missing."""

    def load(self) -> Scorer:
        return self._cut

    def _cut(self, batch: Batch) -> Measurement:
        rank, count = (batch.table[name].combine_chunks().cast(pa.int64()) for name in self.needs)
        missing = np.asarray(rank.is_null()) | np.asarray(count.is_null())
        ranks, counts = (np.asarray(each.fill_null(0)) for each in (rank, count))
        tiers = np.ones(len(ranks), np.int8)
        for share in np.cumsum(self.shares)[:-1] / np.sum(self.shares):
            tiers += ranks >= np.floor(counts * share).astype(np.int64)
        return Measurement({self.adds.names[0]: pa.array(tiers, mask=missing)})
