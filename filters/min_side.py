"""Drop small images."""

from dataclasses import dataclass
from typing import ClassVar

import pyarrow as pa
import pyarrow.compute as pc

__all__ = ["MinSide"]


@dataclass(frozen=True, slots=True)
class MinSide:
    """Keep images whose shorter side has at least `minimum_px` pixels.

    Source: DataComp's basic filter, 200 px (Gadre et al. 2023, arXiv 2304.14108); DenseFusion asks for 448.

    >>> sizes = pa.table({"image_width_px": [200, 199, None], "image_height_px": [900, 900, 900]})
    >>> MinSide(200).keep(sizes).to_pylist()
    [True, False, None]
    """

    minimum_px: int = 200
    needs: ClassVar[tuple[str, ...]] = ("image_width_px", "image_height_px")

    def __post_init__(self) -> None:
        if self.minimum_px < 1:
            raise ValueError(f"minimum_px={self.minimum_px}: give a whole number of pixels, 1 or more")

    def keep(self, table: pa.Table) -> pa.ChunkedArray:
        shorter = pc.min_element_wise(table["image_width_px"], table["image_height_px"], skip_nulls=False)
        return pc.greater_equal(shorter, self.minimum_px)
