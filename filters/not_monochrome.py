"""Drop images in grey or in one tint."""

from dataclasses import dataclass
from typing import ClassVar

import pyarrow as pa

from filters.bounds import at_least

__all__ = ["NotMonochrome"]


@dataclass(frozen=True, slots=True)
class NotMonochrome:
    """Keep images whose colours deviate by at least `minimum` levels around one tint.

    Grey has 0, sepia next to nothing. Black and white photographs are no fault for most uses: know why you drop them.
    Source: ours (docs/quality.md).

    >>> NotMonochrome(1.25).keep(pa.table({"image_chroma_spread": [1.25, 1.2, None]})).to_pylist()
    [True, False, None]
    """

    minimum: float = 1.25
    needs: ClassVar[tuple[str, ...]] = ("image_chroma_spread",)

    def __post_init__(self) -> None:
        if not 0 <= self.minimum <= 128:
            raise ValueError(f"minimum={self.minimum}: give levels, 0 to 128")

    def keep(self, table: pa.Table) -> pa.ChunkedArray:
        return at_least(table["image_chroma_spread"], self.minimum)
