"""Objects that a detector was asked about because a caption names them."""

import pyarrow as pa

from schemas.fields import column
from schemas.objects import OBJECT

__all__ = ["CAPTION_OBJECTS"]

CAPTION_OBJECTS = pa.schema(
    [
        column(
            "caption_objects",
            pa.list_(OBJECT),
            unit="boxes",
            null="not measured, or no caption",
            producer="caption_objects",
            doc="Detections, highest score first: label as it was asked for, box as x0, y0, x1, y1 in fractions of the "
            "image, score 0 to 1. Empty: nothing was asked, or nothing of it seen.",
        ),
        column(
            "caption_objects_asked",
            pa.list_(pa.string()),
            unit="names",
            null="not measured, or no caption",
            producer="caption_objects",
            doc="The names that were asked for in this image, each once: nouns of the caption that nobody had seen. "
            "One that has no box here was looked for and not seen.",
        ),
    ]
)
