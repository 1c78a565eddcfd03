"""Make a very small picture of each image, by which near-duplicates are found and checked."""

from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from PIL import Image

from curate.stages import Batch, Measurement, Pixels, Resources, Scorer
from schemas.image_fingerprint import FINGERPRINT_BYTES, IMAGE_FINGERPRINT

__all__ = ["ImageFingerprint", "content_box", "fingerprint"]

SIDE = 64  # shortest side in px of the decoded image
LUMA, CHROMA = 32, 8  # sides in px of the small pictures
SPREAD = 8.0  # levels: the standard deviation within a line of a border, and between its lines: JPEG's doing
EDGE = 14.0  # levels: what is behind a border differs from it by as much, within the line or from line to line
LEAST = 0.5  # of a side has to lie inside the borders, else they are part of the picture


@dataclass(frozen=True)
class ImageFingerprint:
    """Add a picture of 1,152 bytes, without borders of one colour; see `schemas.image_fingerprint`.

    `NearDuplicates` and `InReference` find near-duplicates by it. It depends on the image alone: the decode is its own.
    Source: our own; that small luma survives what is done to images on the web is known from pHash and PDQ.
    """

    version: ClassVar[int] = 1
    needs: ClassVar[tuple[str, ...]] = ()
    adds: ClassVar[pa.Schema] = IMAGE_FINGERPRINT
    pixels: ClassVar[int] = SIDE
    resources: Resources = field(default=Resources(), repr=False, compare=False)

    def check(self) -> None:
        """Nothing is missing: it needs no extra."""

    def load(self) -> Scorer:
        """Return the scorer; there is nothing to load."""
        return measure


def measure(batch: Batch) -> Measurement:
    """Return every column of `IMAGE_FINGERPRINT` for n images."""
    prints, aspects = [], []
    for image in batch.images:
        data, aspect = fingerprint(image)
        prints.append(data)
        aspects.append(aspect)
    columns = (pa.array(prints, pa.binary(FINGERPRINT_BYTES)), pa.array(aspects, pa.float32()))
    return Measurement(dict(zip(IMAGE_FINGERPRINT.names, columns, strict=True)))


def fingerprint(image: Pixels) -> tuple[bytes, float]:
    """Return the fingerprint of uint8[h, w, 3], and width over height of what it shows."""
    left, top, right, bottom = box = content_box(image)
    picture = Image.fromarray(image)
    small = picture.resize((LUMA, LUMA), Image.Resampling.BILINEAR, box=box).convert("YCbCr")
    luma, *chroma = small.split()
    parts = [luma, *(each.resize((CHROMA, CHROMA), Image.Resampling.BOX) for each in chroma)]
    return b"".join(part.tobytes() for part in parts), (right - left) / (bottom - top)


def content_box(image: Pixels) -> tuple[int, int, int, int]:
    """Return left, top, right and bottom in px of what is inside borders of one colour, each side by itself.

    The whole image where less than half of a side would be left.

    >>> framed = np.zeros((40, 60, 3), np.uint8)
    >>> framed[10:35, 5:50] = np.random.default_rng(0).integers(0, 256, (25, 45, 3))
    >>> content_box(framed)
    (5, 10, 50, 35)
    """
    height, width = image.shape[:2]
    top, bottom = _border(image), _border(image[::-1])
    if top + bottom >= height * (1 - LEAST):
        return 0, 0, width, height
    rows = image[top : height - bottom].swapaxes(0, 1)
    left, right = _border(rows), _border(rows[::-1])
    if left + right >= width * (1 - LEAST):
        return 0, 0, width, height
    return left, top, width - right, height - bottom


def _border(lines: npt.NDArray[np.uint8]) -> int:
    """Return how many of the first lines, uint8[n, m, 3], have one colour, and all the same, up to a clear edge.

    A sky that grows darker has no such edge. The line at the edge may be a mixture, and is not looked at.
    """
    levels = lines[: len(lines) // 2 + 2].astype(np.float32)
    deviation, mean = levels.std(axis=1).max(axis=1), levels.mean(axis=1)
    other = np.abs(mean - mean[0]).max(axis=1)
    plain = (deviation <= SPREAD) & (other <= SPREAD)
    count = len(plain) if plain.all() else int(np.argmin(plain))
    behind = slice(count, count + 2)
    edge = np.maximum(deviation[behind], other[behind]).max(initial=0)
    return count if edge >= EDGE else 0
