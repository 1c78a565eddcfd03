"""Drop images with the blocks of strong JPEG compression."""

from dataclasses import dataclass
from typing import ClassVar

import pyarrow as pa

from filters.bounds import at_most

__all__ = ["MaxBlockiness"]


@dataclass(frozen=True, slots=True)
class MaxBlockiness:
    """Keep images whose steps across the 8 px grid are at most `maximum` times the other steps.

    It sees blocks that the picture kept after it was stored anew; `MinJpegQuality` reads the file's own tables.
    Source: ours, measured on photographs at JPEG qualities of 10 to 90 (docs/quality.md).

    >>> MaxBlockiness(1.5).keep(pa.table({"image_blockiness": [1.5, 1.7, None]})).to_pylist()
    [True, False, None]
    """

    maximum: float = 1.5
    needs: ClassVar[tuple[str, ...]] = ("image_blockiness",)

    def __post_init__(self) -> None:
        if not self.maximum >= 1:
            raise ValueError(f"maximum={self.maximum}: give a ratio, 1 or more")

    def keep(self, table: pa.Table) -> pa.ChunkedArray:
        return at_most(table["image_blockiness"], self.maximum)
