"""Drop preference pairs whose texts differ too much in length."""

import math
from dataclasses import dataclass
from typing import ClassVar

import pyarrow as pa
import pyarrow.compute as pc

__all__ = ["PairLengths"]


@dataclass(frozen=True, slots=True)
class PairLengths:
    """Keep pairs of which neither text has more than `maximum_ratio` times the words of the other.

    A sample without a pair, or with an empty text, is unmeasured.
    Source: preference training learns to prefer length where chosen texts are longer (Park et al. 2024, arXiv
    2403.19159); the bound is ours. An empty rejected text teaches nothing else.

    >>> ratio = [math.log(r) for r in (1.0, 1.4, 1.6, 0.6)]
    >>> PairLengths(1.5).keep(pa.table({"pair_length_log_ratio": pa.array([*ratio, None], pa.float32())})).to_pylist()
    [True, True, False, False, None]
    """

    maximum_ratio: float = 1.5
    needs: ClassVar[tuple[str, ...]] = ("pair_length_log_ratio",)

    def __post_init__(self) -> None:
        if not self.maximum_ratio >= 1:
            raise ValueError(f"maximum_ratio={self.maximum_ratio}: give 1 or more")

    def keep(self, table: pa.Table) -> pa.ChunkedArray:
        ratio = table["pair_length_log_ratio"]
        return pc.less_equal(
            pc.abs(ratio), pa.scalar(math.log(self.maximum_ratio) + 1e-6, pa.float32()).cast(ratio.type)
        )
