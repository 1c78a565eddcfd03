"""Draw a lot for every sample: subsets of any size that are random, nested and the same everywhere."""

import hashlib
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
import pyarrow as pa

from curate.stages import Batch, Measurement, Resources, Scorer
from schemas.curriculum import SAMPLE_LOT
from schemas.prefix import check_prefix, prefixed

__all__ = ["SampleLot"]


@dataclass(frozen=True)
class SampleLot:
    """Add a random number that depends on `seed` and the sample's uid alone; see `schemas.curriculum`.

    Exactly n of the samples for a quick evaluation: `SampleLot()`, `RankFraction("lot", highest_first=False,
    prefix="lot_")`, `MaxRank("lot_rank", n)`. A smaller n is a part of a larger one; no order of shards, worker or run
    changes it. Where a pool of N grows to M samples, about n * (1 - N / M) of the n give way to new ones, which is the
    least that a random subset of the larger pool allows; the others stay.
    Source: SAIL-VL ranks datasets by what a 2M subset of each teaches (arXiv 2501.05952); the hash is ours.
    """

    seed: int = 0
    prefix: str = ""
    version: ClassVar[int] = 1
    needs: ClassVar[tuple[str, ...]] = ()
    pixels: ClassVar[None] = None
    resources: Resources = field(default=Resources(batch_rows=4096), repr=False, compare=False)

    def __post_init__(self) -> None:
        check_prefix(self.prefix)

    @property
    def adds(self) -> pa.Schema:
        return prefixed(SAMPLE_LOT, self.prefix)

    def check(self) -> None:
        """Nothing can be missing."""

    def load(self) -> Scorer:
        return self._draw

    def _draw(self, batch: Batch) -> Measurement:
        key = str(self.seed).encode()
        digests = (
            hashlib.blake2b(uid.encode(), digest_size=8, key=key).digest() for uid in batch.table["uid"].to_pylist()
        )
        lots = np.frombuffer(b"".join(digests), ">u8") >> np.uint64(1)
        return Measurement({self.adds.names[0]: pa.array(lots.astype(np.int64))})
