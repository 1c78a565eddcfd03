"""Geometry of boxes: x0, y0, x1, y1 in fractions of the image."""

import math
from collections.abc import Sequence
from typing import TypeAlias

__all__ = ["Box", "area", "centre", "is_box", "is_ordered", "overlap", "shared_area", "widen"]

Box: TypeAlias = Sequence[float]
"""x0, y0, x1, y1 in fractions of the image."""


def is_box(box: Sequence[float | None] | None) -> bool:
    """Tell whether a box is one: four numbers, none of them null, infinite or NaN."""
    return box is not None and len(box) == 4 and all(edge is not None and math.isfinite(edge) for edge in box)


def is_ordered(box: Box) -> bool:
    """Tell whether no side of a box has a negative length; it may be a line or a point."""
    return box[0] <= box[2] and box[1] <= box[3]


def area(box: Box) -> float:
    """Return the area; 0.0 if a side has a negative length."""
    return max(0.0, box[2] - box[0]) * max(0.0, box[3] - box[1])


def centre(box: Box) -> tuple[float, float]:
    """Return x and y of the middle."""
    return (box[0] + box[2]) / 2, (box[1] + box[3]) / 2


def shared_area(one: Box, other: Box) -> float:
    """Return the area of the intersection of two boxes.

    >>> shared_area([0.0, 0.0, 0.5, 0.5], [0.25, 0.0, 1.0, 0.5])
    0.125
    """
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    return max(0.0, width) * max(0.0, height)


def overlap(one: Box, other: Box) -> float:
    """Return the intersection over union of two boxes, 0.0 where both are empty."""
    common = shared_area(one, other)
    union = area(one) + area(other) - common
    return common / union if union > 0 else 0.0


def widen(box: Box, factor: float, least: float) -> list[float]:
    """Return a box with its sides times `factor`, at least `least` of the image, moved inside of the image.

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
