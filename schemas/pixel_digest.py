"""Columns of the PixelDigest expert."""

import pyarrow as pa

from schemas.fields import column

__all__ = ["PIXEL_DIGEST"]

PIXEL_DIGEST = pa.schema(
    [
        column(
            "image_pixels_sha256",
            pa.string(),
            unit="256-bit hex",
            null="not measured",
            producer="pixel_digest",
            doc="SHA-256 of height, width and RGB pixels, upright: equal for lossless copies in another format.",
        )
    ]
)
