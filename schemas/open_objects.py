"""Objects that a detector was asked about by name, sample by sample."""

import pyarrow as pa

from schemas.fields import column
from schemas.objects import OBJECT

__all__ = ["OPEN_OBJECTS"]

OPEN_OBJECTS = pa.schema(
    [
        column(
            "open_objects",
            pa.list_(OBJECT),
            unit="boxes",
            null="not measured",
            producer="open_objects",
            doc="Detections, highest score first: label as it was asked for, box as x0, y0, x1, y1 in fractions of the "
            "image, score 0 to 1. Empty: nothing was asked, or nothing of it seen.",
        ),
        column(
            "open_objects_asked",
            pa.list_(pa.string()),
            unit="names",
            null="not measured",
            producer="open_objects",
            doc="The names that were asked for in this image, each once: one that has no box here was looked for and "
            "not seen; about any other name `open_objects` says nothing.",
        ),
    ]
)
