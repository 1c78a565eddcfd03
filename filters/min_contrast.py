"""Drop images without contrast."""

from dataclasses import dataclass
from typing import ClassVar

import pyarrow as pa
import pyarrow.compute as pc

from filters.bounds import at_least

__all__ = ["MinContrast"]


@dataclass(frozen=True, slots=True)
class MinContrast:
    """Keep images whose luma spans at least `minimum` levels from its 1st to its 99th percentile.

    Source: the span of percentiles is common practice; the 60 is ours, measured on photographs faded to a fifth
    (docs/quality.md). Fog and snow come near it.

    >>> MinContrast(60).keep(pa.table({"luma_low": [20.0, 100.0, None], "luma_high": [80.0, 159.0, 99.0]})).to_pylist()
    [True, False, None]
    """

    minimum: float = 60.0
    needs: ClassVar[tuple[str, ...]] = ("luma_low", "luma_high")

    def __post_init__(self) -> None:
        if not 0 <= self.minimum <= 255:
            raise ValueError(f"minimum={self.minimum}: give luma levels, 0 to 255")

    def keep(self, table: pa.Table) -> pa.ChunkedArray:
        return at_least(pc.subtract(table["luma_high"], table["luma_low"]), self.minimum)
