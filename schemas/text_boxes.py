"""Where text is in the image, without what it says."""

import pyarrow as pa

from schemas.fields import column

__all__ = ["TEXT_BOXES"]

TEXT_BOXES = pa.schema(
    [
        column(
            "text_boxes",
            pa.list_(pa.list_(pa.float32())),
            unit="boxes",
            null="not measured",
            producer="text_boxes",
            doc="Lines of text in reading order, unread: x0, y0, x1, y1 in fractions of the image. Empty: none seen.",
        ),
        column(
            "text_area_frac",
            pa.float32(),
            unit="fraction",
            null="not measured",
            producer="text_boxes",
            doc="Share of the image that the boxes cover; overlaps count once.",
        ),
    ]
)
