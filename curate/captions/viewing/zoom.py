"""Parts of an image for a closer look."""

from collections.abc import Sequence

from curate.pixels import resize
from curate.stages import Pixels

__all__ = ["crop", "tiles", "widen"]


def widen(box: Sequence[float], factor: float, least: float) -> list[float]:
    """Return a box (fractions) with its sides times `factor`, at least `least` of the image, moved inside of it.

    >>> widen([0.0, 0.4, 0.2, 0.6], 2.0, 0.1)
    [0.0, 0.3, 0.4, 0.7]
    """
    edges = []
    for low, high in ((box[0], box[2]), (box[1], box[3])):
        side = min(1.0, max(least, (high - low) * factor))
        start = min(1.0 - side, max(0.0, (low + high - side) / 2))
        edges.append((round(start, 6), round(start + side, 6)))
    (x0, x1), (y0, y1) = edges
    return [x0, y0, x1, y1]


def tiles(overlap: float) -> list[list[float]]:
    """Return the four quarters of an image, each larger by `overlap` of it, so that what lies on a cut is whole once.

    >>> tiles(0.1)[3]
    [0.4, 0.4, 1.0, 1.0]
    """
    spans = ((0.0, round(0.5 + overlap, 6)), (round(0.5 - overlap, 6), 1.0))
    return [[x0, y0, x1, y1] for y0, y1 in spans for x0, x1 in spans]


def crop(image: Pixels, box: Sequence[float], longest_side_px: int, most: float) -> Pixels:
    """Return a part of an image, its longest side scaled to so many px, enlarged at most `most` times."""
    height, width = image.shape[:2]
    x0, x1 = (min(width - 1, int(box[0] * width)), max(1, round(box[2] * width)))
    y0, y1 = (min(height - 1, int(box[1] * height)), max(1, round(box[3] * height)))
    part = image[y0 : max(y1, y0 + 1), x0 : max(x1, x0 + 1)]
    tall, wide = part.shape[:2]
    scale = min(most, longest_side_px / max(tall, wide))
    return resize(part, max(1, round(wide * scale)), max(1, round(tall * scale)))
