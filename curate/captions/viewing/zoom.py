"""Parts of an image for a closer look."""

import numpy as np

from curate.captions.boxes import Box
from curate.pixels import resize
from curate.stages import Pixels

__all__ = ["close_up", "cut_out", "quarters"]


def quarters(overlap: float) -> list[list[float]]:
    """Return the four quarters of an image, each larger by `overlap` of it, so that what lies on a cut is whole once.

    >>> quarters(0.1)[3]
    [0.4, 0.4, 1.0, 1.0]
    """
    spans = ((0.0, round(0.5 + overlap, 6)), (round(0.5 - overlap, 6), 1.0))
    return [[x0, y0, x1, y1] for y0, y1 in spans for x0, x1 in spans]


def close_up(image: Pixels, box: Box, sides_px: tuple[int, int], most: float) -> Pixels:
    """Return a part of an image at its own pixels, if its longest side is within `sides_px`, a least and a largest.

    Else it is scaled to that, but enlarged at most `most` times.
    """
    height, width = image.shape[:2]
    x0, x1 = (min(width - 1, int(box[0] * width)), max(1, round(box[2] * width)))
    y0, y1 = (min(height - 1, int(box[1] * height)), max(1, round(box[3] * height)))
    part = image[y0 : max(y1, y0 + 1), x0 : max(x1, x0 + 1)]
    tall, wide = part.shape[:2]
    least, largest = sides_px
    scale = min(most, min(largest, max(least, tall, wide)) / max(tall, wide))
    return resize(part, max(1, round(wide * scale)), max(1, round(tall * scale)))


def cut_out(image: Pixels, box: Box, margin: float) -> Pixels:
    """Return the part of an image in a box, with `margin` of the box's size on each side, at its own resolution.

    At least one pixel a side, and no more than the image.
    """
    height, width = image.shape[:2]
    x0, y0, x1, y1 = box
    dx, dy = margin * (x1 - x0), margin * (y1 - y0)
    left, top = min(width - 1, max(0, int((x0 - dx) * width))), min(height - 1, max(0, int((y0 - dy) * height)))
    right, bottom = min(width, int(np.ceil((x1 + dx) * width))), min(height, int(np.ceil((y1 + dy) * height)))
    return np.ascontiguousarray(image[top : max(bottom, top + 1), left : max(right, left + 1)])
