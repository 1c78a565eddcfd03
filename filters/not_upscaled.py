"""Drop images that were enlarged."""

from dataclasses import dataclass
from typing import ClassVar

import pyarrow as pa

from filters.bounds import at_least

__all__ = ["NotUpscaled"]


@dataclass(frozen=True, slots=True)
class NotUpscaled:
    """Keep images with detail up to `minimum` of the highest frequency that their size could hold.

    0.52 drops what was enlarged twice or more, and what is as soft as that.
    Source: ours, measured on photographs enlarged 1.5 to 3 times (docs/quality.md).

    >>> NotUpscaled(0.52).keep(pa.table({"image_detail_frac": [0.52, 0.51, None]})).to_pylist()
    [True, False, None]
    """

    minimum: float = 0.52
    needs: ClassVar[tuple[str, ...]] = ("image_detail_frac",)

    def __post_init__(self) -> None:
        if not 0 <= self.minimum <= 1:
            raise ValueError(f"minimum={self.minimum}: give a share of the highest frequency, 0 to 1")

    def keep(self, table: pa.Table) -> pa.ChunkedArray:
        return at_least(table["image_detail_frac"], self.minimum)
