"""Columns of the ImageFingerprint expert."""

import pyarrow as pa

from schemas.fields import column

__all__ = ["CHROMA_SIDE", "FINGERPRINT_BYTES", "IMAGE_FINGERPRINT", "LUMA_SIDE"]

LUMA_SIDE, CHROMA_SIDE = 64, 16
FINGERPRINT_BYTES = 4 + LUMA_SIDE**2 + 2 * CHROMA_SIDE**2

IMAGE_FINGERPRINT = pa.schema(
    [
        column(
            "image_fingerprint",
            pa.binary(FINGERPRINT_BYTES),
            unit="4,612 bytes",
            null="not measured",
            producer="image_fingerprint",
            doc="What the image shows, very small. Left, top, right, bottom of what is inside borders of one colour, "
            "in 255ths of a side; then the whole image, stretched to a square: 64x64 luma, 16x16 Cb, 16x16 Cr, a byte "
            "each, row by row.",
        ),
        column(
            "image_fingerprint_aspect",
            pa.float32(),
            unit="ratio",
            null="not measured",
            producer="image_fingerprint",
            doc="Width over height of the image.",
        ),
    ]
)
