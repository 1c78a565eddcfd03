"""What can be wrong with one sample before its pixels are looked at."""

from typing import Final

from curate.errors import SampleError

__all__ = ["MAX_IMAGE_BYTES", "image_error"]

MAX_IMAGE_BYTES: Final = 256 << 20


def image_error(size_bytes: int | None) -> SampleError | None:
    """Return why an image of this encoded size cannot be used; None as size means there is no image."""
    if size_bytes is None:
        return SampleError("missing_image", "no image member")
    if size_bytes == 0:
        return SampleError("empty_image", "the image is 0 bytes long")
    if size_bytes > MAX_IMAGE_BYTES:
        return SampleError("image_too_long", f"the image has {size_bytes} bytes; the limit is {MAX_IMAGE_BYTES}")
    return None
