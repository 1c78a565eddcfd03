"""Make a very small picture of each image, by which near-duplicates are found and checked."""

from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from PIL import Image

from curate.stages import Batch, Measurement, Pixels, Resources, Scorer
from schemas.image_fingerprint import CHROMA_SIDE, FINGERPRINT_BYTES, IMAGE_FINGERPRINT, LUMA_SIDE

__all__ = ["ImageFingerprint", "content_box", "fingerprint"]

SIDE = 64  # shortest side in px of the decoded image
SPREAD = 8.0  # levels: the standard deviation within a line of a border, and between its lines: JPEG's doing
EDGE = 14.0  # levels: what is behind a border differs from it by as much, within the line or from line to line
LEAST = 0.5  # of a side has to lie inside the borders, else they are part of the picture
BORDERS = 4  # one in another, that are looked for: a frame around a picture on white, say


@dataclass(frozen=True)
class ImageFingerprint:
    """Add a picture of 4,612 bytes, and where the borders of one colour in it end; see `schemas.image_fingerprint`.

    `NearDuplicates` and `InReference` find near-duplicates by it. It depends on the image alone: the decode is its own.
    Source: our own; that small luma survives what is done to images on the web is known from pHash and PDQ.
    """

    version: ClassVar[int] = 2
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
    """Return the fingerprint of uint8[h, w, 3], and its width over its height."""
    height, width = image.shape[:2]
    box = np.round(np.array(content_box(image)) / (width, height, width, height) * 255).astype(np.uint8)
    small = Image.fromarray(image).resize((LUMA_SIDE, LUMA_SIDE), Image.Resampling.BILINEAR).convert("YCbCr")
    luma, *chroma = small.split()
    parts = [luma, *(each.resize((CHROMA_SIDE, CHROMA_SIDE), Image.Resampling.BOX) for each in chroma)]
    return box.tobytes() + b"".join(part.tobytes() for part in parts), width / height


def content_box(image: Pixels) -> tuple[int, int, int, int]:
    """Return left, top, right and bottom in px of what is inside borders of one colour, each side by itself.

    Borders in borders are taken off too, as long as half of each side of the image is left.

    >>> framed = np.full((40, 60, 3), 255, np.uint8)
    >>> framed[10:35, 5:50] = np.random.default_rng(0).integers(0, 256, (25, 45, 3))
    >>> content_box(np.pad(framed, ((2, 2), (2, 2), (0, 0))))
    (7, 12, 52, 37)
    """
    height, width = image.shape[:2]
    left, top, right, bottom = 0, 0, width, height
    for nested in range(BORDERS):
        skipped = min(nested, 1)
        lines = image[top:bottom, left:right]
        above, below = _border(lines, skipped), _border(lines[::-1], skipped)
        lines = lines[above : len(lines) - below].swapaxes(0, 1)
        before, behind = _border(lines, skipped), _border(lines[::-1], skipped)
        inside = left + before, top + above, right - behind, bottom - below
        shorter = inside[2] - inside[0] < width * LEAST or inside[3] - inside[1] < height * LEAST
        if shorter or inside == (left, top, right, bottom):
            break
        left, top, right, bottom = inside
    return left, top, right, bottom


def _border(lines: npt.NDArray[np.uint8], skipped: int) -> int:
    """Return how many of the first lines, uint8[n, m, 3], have one colour, and all the same, up to a clear edge.

    A sky that grows darker has no such edge. The line at the edge may be a mixture, and is not looked at: nor are
    the lines that are `skipped`, which are such an edge, though they count.
    """
    levels = lines[skipped : len(lines) // 2 + 2].astype(np.float32)
    if not levels.size:
        return 0
    deviation, mean = levels.std(axis=1).max(axis=1), levels.mean(axis=1)
    other = np.abs(mean - mean[0]).max(axis=1)
    plain = (deviation <= SPREAD) & (other <= SPREAD)
    count = len(plain) if plain.all() else int(np.argmin(plain))
    behind = slice(count, count + 2)
    edge = np.maximum(deviation[behind], other[behind]).max(initial=0)
    return skipped + count if count and edge >= EDGE else 0
