"""Columns of the ImageFingerprint expert."""

import pyarrow as pa

from schemas.fields import column

__all__ = ["FINGERPRINT_BYTES", "IMAGE_FINGERPRINT"]

FINGERPRINT_BYTES = 32 * 32 + 2 * 8 * 8

IMAGE_FINGERPRINT = pa.schema(
    [
        column(
            "image_fingerprint",
            pa.binary(FINGERPRINT_BYTES),
            unit="1,152 bytes",
            null="not measured",
            producer="image_fingerprint",
            doc="What the image shows, very small: 32x32 luma, then 8x8 Cb and 8x8 Cr, a byte each, row by row, "
            "of what is inside borders of one colour, stretched to a square.",
        ),
        column(
            "image_fingerprint_aspect",
            pa.float32(),
            unit="ratio",
            null="not measured",
            producer="image_fingerprint",
            doc="Width over height of what is inside borders of one colour.",
        ),
    ]
)
