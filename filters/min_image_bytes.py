"""Drop images that are too small as files."""

from dataclasses import dataclass
from typing import ClassVar

import pyarrow as pa
import pyarrow.compute as pc

__all__ = ["MinImageBytes"]


@dataclass(frozen=True, slots=True)
class MinImageBytes:
    """Keep images whose encoded file has at least `minimum` bytes.

    Source: LAION-5B drops images of less than 5 KB (Schuhmann et al. 2022, arXiv 2210.08402), read as 5,000 bytes.

    >>> MinImageBytes(5_000).keep(pa.table({"image_size_bytes": [5_000, 4_999, None]})).to_pylist()
    [True, False, None]
    """

    minimum: int = 5_000
    needs: ClassVar[tuple[str, ...]] = ("image_size_bytes",)

    def __post_init__(self) -> None:
        if self.minimum < 1:
            raise ValueError(f"minimum={self.minimum}: give a number of bytes, 1 or more")

    def keep(self, table: pa.Table) -> pa.ChunkedArray:
        return pc.greater_equal(table["image_size_bytes"], self.minimum)
