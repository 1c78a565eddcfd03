"""Drop JPEG files of low quality."""

from dataclasses import dataclass
from typing import ClassVar

import pyarrow as pa
import pyarrow.compute as pc

from filters.bounds import at_least

__all__ = ["MinJpegQuality"]


@dataclass(frozen=True, slots=True)
class MinJpegQuality:
    """Keep images whose JPEG tables are those of quality `minimum` or more, and all that are no JPEG.

    A file that was stored anew at a high quality shows its own, not its past: see `MaxBlockiness`.
    Source: ours; below about 30 the blocks are plain to see.

    >>> measured = {"jpeg_quality": [30, 29, None, None], "image_blockiness": [1.0, 1.2, 1.0, None]}
    >>> MinJpegQuality(30).keep(pa.table(measured)).to_pylist()
    [True, False, True, None]
    """

    minimum: int = 30
    needs: ClassVar[tuple[str, ...]] = ("jpeg_quality", "image_blockiness")

    def __post_init__(self) -> None:
        if not 1 <= self.minimum <= 100:
            raise ValueError(f"minimum={self.minimum}: give a quality, 1 to 100")

    def keep(self, table: pa.Table) -> pa.ChunkedArray:
        good = pc.fill_null(at_least(table["jpeg_quality"], self.minimum), True)
        return pc.if_else(pc.is_valid(table["image_blockiness"]), good, None)
