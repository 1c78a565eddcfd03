"""Names of the parts of a sample: which are images, and which belong together."""

from typing import Final

__all__ = ["IMAGE_EXTENSIONS", "split_name"]

IMAGE_EXTENSIONS: Final = ("jpg", "jpeg", "png", "webp", "gif", "avif", "bmp", "tif", "tiff")  # the first is preferred


def split_name(name: str) -> tuple[str, str] | None:
    """Return key and lower-case extension of a member: `a/b.seg.png` gives `a/b` and `seg.png`.

    None for what is no part of a sample: hidden files (macOS writes `._x.jpg` beside `x.jpg`) and names without a dot.
    """
    folder, slash, last = name.removeprefix("./").rpartition("/")
    stem, dot, extension = last.partition(".")
    return (folder + slash + stem, extension.lower()) if stem and dot else None
