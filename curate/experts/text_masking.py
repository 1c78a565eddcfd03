"""Paint text out of images."""

from collections.abc import Iterable, Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from curate.stages import Pixels

__all__ = ["boxes_of", "paint_out"]

GREY: Final = 128  # of an image that is nothing but text
Rectangle = tuple[int, int, int, int]


def boxes_of(values: Iterable[Any] | None) -> list[list[float]]:
    """Return boxes, x0, y0, x1, y1 in fractions, of a column of boxes or of structs that have a `box`.

    What is no box of four numbers is left out.

    >>> boxes_of([[0.0, 0.0, 0.5, 0.5], {"text": "SALE", "box": [0.1, 0.1, 0.2, 0.2]}, None, []])
    [[0.0, 0.0, 0.5, 0.5], [0.1, 0.1, 0.2, 0.2]]
    """
    boxes = [value.get("box") if isinstance(value, dict) else value for value in values or ()]
    return [box for box in boxes if box and len(box) == 4 and None not in box]


def paint_out(image: Pixels, boxes: Sequence[Sequence[float]], margin: float) -> tuple[Pixels, float]:
    """Return a copy of RGB uint8[h, w, 3] with the boxes painted over, and the share of it that was.

    Each box is grown on all sides by `margin` of its shorter side, for what a detector cuts off of letters, and filled
    with the mean colour of the frame around it, as wide again and at least 2 px; what lies in another box is left out
    of the mean. Where nothing is left, the mean of the image without its text is taken, or grey.
    """
    height, width = image.shape[:2]
    rectangles = [each for box in boxes if (each := _rectangle(box, margin, width, height))]
    masked = np.zeros((height, width), bool)
    for x0, y0, x1, y1 in rectangles:
        masked[y0:y1, x0:x1] = True
    if not rectangles:
        return image, 0.0
    painted, rest = image.copy(), _mean(image[~masked])
    for x0, y0, x1, y1 in rectangles:
        frame = max(2, round(margin * min(x1 - x0, y1 - y0)))
        around = np.s_[max(0, y0 - frame) : y1 + frame, max(0, x0 - frame) : x1 + frame]
        painted[y0:y1, x0:x1] = next((c for c in (_mean(image[around][~masked[around]]), rest) if c is not None), GREY)
    return painted, float(masked.mean())


def _rectangle(box: Sequence[float], margin: float, width: int, height: int) -> Rectangle | None:
    """Return the pixels of a grown box inside the image, x1 and y1 exclusive; None if it has none."""
    edges = np.clip(box, 0, 1) * (width, height, width, height)
    grow = margin * min(edges[2] - edges[0], edges[3] - edges[1])
    x0, y0 = (max(0, int(np.floor(low - grow))) for low in edges[:2])
    x1, y1 = (min(most, int(np.ceil(high + grow))) for high, most in zip(edges[2:], (width, height), strict=True))
    return (x0, y0, x1, y1) if x0 < x1 and y0 < y1 and grow >= 0 else None


def _mean(colours: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8] | None:
    """Return the mean of uint8[n, 3]; whole sums, so that it is the same on every machine. None of no colours."""
    if not len(colours):
        return None
    mean: npt.NDArray[np.uint8] = np.round(colours.sum(axis=0, dtype=np.int64) / len(colours)).astype(np.uint8)
    return mean
