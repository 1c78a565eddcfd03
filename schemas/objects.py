"""Objects seen in the image."""

import pyarrow as pa

from schemas.fields import column

__all__ = ["OBJECT", "OBJECTS"]

OBJECT = pa.struct([("label", pa.string()), ("box", pa.list_(pa.float32())), ("score", pa.float32())])

OBJECTS = pa.schema(
    [
        column(
            "objects",
            pa.list_(OBJECT),
            unit="boxes",
            null="not measured",
            producer="objects",
            doc="Detections, highest score first: label, box as x0, y0, x1, y1 in fractions of the image, score "
            "0 to 1. Empty: nothing seen.",
        ),
    ]
)
