"""Drop images of text."""

from dataclasses import dataclass
from typing import ClassVar

import pyarrow as pa
import pyarrow.compute as pc

__all__ = ["MaxTextArea"]


@dataclass(frozen=True, slots=True)
class MaxTextArea:
    """Keep images of which at most the fraction `maximum` is covered by text lines.

    Source: the reason is T-MARS's, images whose text does the matching teach reading, not seeing (Maini et al.
    2023, arXiv 2307.03132); the 0.5 is ours: past it an image is a page or a poster.

    >>> MaxTextArea(0.5).keep(pa.table({"ocr_text_area_frac": [0.5, 0.75, None]})).to_pylist()
    [True, False, None]
    """

    maximum: float = 0.5
    needs: ClassVar[tuple[str, ...]] = ("ocr_text_area_frac",)

    def __post_init__(self) -> None:
        if not 0 <= self.maximum <= 1:
            raise ValueError(f"maximum={self.maximum}: give a fraction of the image, 0 to 1")

    def keep(self, table: pa.Table) -> pa.ChunkedArray:
        area = table["ocr_text_area_frac"]
        return pc.less_equal(area, pa.scalar(self.maximum, pa.float64()).cast(area.type, safe=False))
