"""Drop noisy images."""

from dataclasses import dataclass
from typing import ClassVar

import pyarrow as pa

from filters.bounds import at_most

__all__ = ["MaxNoise"]


@dataclass(frozen=True, slots=True)
class MaxNoise:
    """Keep images whose noise deviates by at most `maximum` luma levels in the quietest patches.

    Source: the measure is Immerkaer's (1996); the 5 is ours, measured on photographs with planted noise
    (docs/quality.md): noise of 10 levels a channel comes out as about 6.5.

    >>> MaxNoise(5.0).keep(pa.table({"image_noise": [5.0, 5.1, None]})).to_pylist()
    [True, False, None]
    """

    maximum: float = 5.0
    needs: ClassVar[tuple[str, ...]] = ("image_noise",)

    def __post_init__(self) -> None:
        if not self.maximum >= 0:
            raise ValueError(f"maximum={self.maximum}: give luma levels, 0 or more")

    def keep(self, table: pa.Table) -> pa.ChunkedArray:
        return at_most(table["image_noise"], self.maximum)
