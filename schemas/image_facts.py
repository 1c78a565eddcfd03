"""What is known of an image without a model."""

import pyarrow as pa

from schemas.fields import column

__all__ = ["IMAGE_FACTS"]

IMAGE_FACTS = pa.schema(
    [
        column(
            "image_format",
            pa.string(),
            unit="name",
            null="not measured",
            producer="image_facts",
            doc="Format told by the bytes, not by the extension: jpeg, png, webp, gif, avif, ...",
        ),
        column(
            "image_width_px",
            pa.int32(),
            unit="px",
            null="not measured",
            producer="image_facts",
            doc="Width as seen: of the stored image after its EXIF rotation.",
        ),
        column(
            "image_height_px",
            pa.int32(),
            unit="px",
            null="not measured",
            producer="image_facts",
            doc="Height as seen: of the stored image after its EXIF rotation.",
        ),
        column(
            "image_frames",
            pa.int32(),
            unit="count",
            null="not measured",
            producer="image_facts",
            doc="Frames of an animation; 1 for a still image.",
        ),
        column(
            "image_sha256",
            pa.string(),
            unit="256-bit hex",
            null="not measured",
            producer="image_facts",
            doc="SHA-256 of the encoded bytes as stored: equal for exact copies.",
        ),
        column(
            "image_phash",
            pa.uint64(),
            unit="64 bits",
            null="not measured",
            producer="image_facts",
            doc="Perceptual hash: signs of the DCT frequencies 1..8 of the 32x32 luma against their median. "
            "Near-duplicates differ in few bits; an image of one colour gives 0.",
        ),
        column(
            "image_blur",
            pa.float32(),
            unit="luma levels squared",
            null="shorter than 3 px on a side",
            producer="image_facts",
            doc="Variance of the Laplacian of the luma with its shortest side reduced to 256 px; low means blurred.",
        ),
        column(
            "image_entropy_bits",
            pa.float32(),
            unit="bits",
            null="not measured",
            producer="image_facts",
            doc="Shannon entropy of the 256 luma levels, 0 (one colour) to 8.",
        ),
    ]
)
