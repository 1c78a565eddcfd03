"""Decode images for readers."""

import io

from PIL import Image

from curate.errors import SampleError

__all__ = ["AT_ONCE", "decoded"]

AT_ONCE = 64  # samples whose images are in memory together


def decoded(data: bytes, uid: str) -> Image.Image:
    """Decode an image as RGB; raises SampleError naming the sample."""
    try:
        return Image.open(io.BytesIO(data)).convert("RGB")
    except Exception as error:  # Pillow's decoders raise whatever their formats make them
        raise SampleError("undecodable_image", f"sample {uid}: {error}") from error
