"""Drop banners and towers."""

import math
from dataclasses import dataclass
from typing import ClassVar

import pyarrow as pa
import pyarrow.compute as pc

__all__ = ["MaxAspect"]


@dataclass(frozen=True, slots=True)
class MaxAspect:
    """Keep images whose longer side is at most `maximum` times the shorter; a side of 0 px drops.

    Source: DataComp's basic filter, 3.0 (Gadre et al. 2023, arXiv 2304.14108); mOSCAR has the same.

    >>> sizes = pa.table({"image_width_px": [600, 601, 0, None], "image_height_px": [200, 200, 0, 200]})
    >>> MaxAspect(3.0).keep(sizes).to_pylist()
    [True, False, False, None]
    """

    maximum: float = 3.0
    needs: ClassVar[tuple[str, ...]] = ("image_width_px", "image_height_px")

    def __post_init__(self) -> None:
        if not (math.isfinite(self.maximum) and self.maximum >= 1):
            raise ValueError(f"maximum={self.maximum}: give a ratio of longer to shorter side, 1.0 or more")

    def keep(self, table: pa.Table) -> pa.ChunkedArray:
        width, height = (pc.cast(table[name], pa.float64()) for name in self.needs)
        longer = pc.max_element_wise(width, height, skip_nulls=False)
        shorter = pc.min_element_wise(width, height, skip_nulls=False)
        return pc.less_equal(pc.divide(longer, shorter), self.maximum)  # x/0 is inf or nan: neither is kept
