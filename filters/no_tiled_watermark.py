"""Drop images with a watermark all over them."""

from dataclasses import dataclass
from typing import ClassVar

import pyarrow as pa

from filters.bounds import at_most

__all__ = ["NoTiledWatermark"]


@dataclass(frozen=True, slots=True)
class NoTiledWatermark:
    """Keep images in which nothing faint repeats at even distances more than `maximum` strongly.

    Brick walls and rows of windows repeat too: look at what it drops of your data.
    Source: ours, measured on photographs with planted watermarks (docs/quality.md).

    >>> NoTiledWatermark(0.1).keep(pa.table({"watermark_tile_score": [0.1, 0.2, None]})).to_pylist()
    [True, False, None]
    """

    maximum: float = 0.1
    needs: ClassVar[tuple[str, ...]] = ("watermark_tile_score",)

    def __post_init__(self) -> None:
        if not 0 <= self.maximum <= 1:
            raise ValueError(f"maximum={self.maximum}: give a correlation, 0 to 1")

    def keep(self, table: pa.Table) -> pa.ChunkedArray:
        return at_most(table["watermark_tile_score"], self.maximum)
