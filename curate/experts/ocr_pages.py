"""Which parts of a page are read from close by, and how the lines of overlapping parts become one list."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from curate.errors import PlanError

__all__ = ["CloseReading", "Quads", "line_heights", "stitch", "tiles"]

Quads = npt.NDArray[np.float64]
"""Corners of k lines in px, float64[k, 4, 2], each clockwise from the top left."""

SAME_LINE = 0.6  # two boxes share a line if they share so much of the lower one's height
MARGIN = 2.0  # text that a first look missed lies within so many line heights of what it saw


@dataclass(frozen=True, slots=True)
class CloseReading:
    """Says when a page is read again from close by, and how.

    It is if a tenth of its lines is lower than `small_px` in the first look, and the original is at least `gain` times
    as large. Then it is shown so large that those lines are `line_px` high, at most as large as the original, in
    tiles of `tile_px` a side that overlap by `overlap_px`, and only where the first look saw text. What is not lower
    than `small_px` at first stays as it was seen.
    Source: ours. Lines that the first look finds to be 13 px high are read as well from there (docs/benchmarks.md), and
    PP-OCR scales a line to 48 px itself.
    """

    small_px: float = 12.0
    line_px: float = 24.0
    gain: float = 1.25
    tile_px: int = 960
    overlap_px: int = 96

    def __post_init__(self) -> None:
        if not 0 < self.small_px <= self.line_px or self.gain < 1:
            raise PlanError(
                f"CloseReading: small_px={self.small_px}, line_px={self.line_px}, gain={self.gain}: give "
                "0 < small_px <= line_px and a gain of at least 1"
            )
        if not 0 < 2 * self.overlap_px < self.tile_px:
            raise PlanError(
                f"CloseReading: overlap_px={self.overlap_px} must be above 0, and less than half of "
                f"tile_px={self.tile_px}"
            )

    def scale(self, heights: npt.NDArray[np.float64], original: float) -> float:
        """Return by how much to enlarge what the first look saw; 1.0: not at all.

        `heights` are those of its lines in px, float64[k]; the original is `original` times as large.
        """
        if not len(heights) or original < self.gain:
            return 1.0
        low = float(np.quantile(heights, 0.1))
        return 1.0 if low >= self.small_px else float(min(original, self.line_px / max(low, 1.0)))


def line_heights(quads: Quads) -> npt.NDArray[np.float64]:
    """Return the shorter side of each line in px, float64[k]."""
    if not len(quads):
        return np.zeros(0)
    sides = np.linalg.norm(quads[:, :2] - quads[:, 1:3], axis=2)
    shorter: npt.NDArray[np.float64] = sides.min(axis=1)
    return shorter


def tiles(quads: Quads, width: int, height: int, reading: CloseReading) -> list[tuple[int, int, int, int]]:
    """Return the tiles of a page, x0, y0, x1, y1 in px, that may hold lines near `quads`, row by row."""
    boxes = _boxes(quads)
    margin = MARGIN * line_heights(quads)[:, None]
    near = np.concatenate([boxes[:, :2] - margin, boxes[:, 2:] + margin], axis=1)
    across, down = (_spans(side, reading.tile_px, reading.overlap_px) for side in (width, height))
    grid = [(x0, y0, x1, y1) for y0, y1 in down for x0, x1 in across]
    return [
        (x0, y0, x1, y1)
        for x0, y0, x1, y1 in grid
        if ((near[:, 0] < x1) & (near[:, 2] > x0) & (near[:, 1] < y1) & (near[:, 3] > y0)).any()
    ]


def stitch(found: Sequence[Quads], kept: Quads) -> Quads:
    """Return the lines of several tiles as one list without doubles, and `kept`, which win over what overlaps them.

    Parts of one line in two tiles, which overlap, become its upright hull; a line that one tile has alone stays as it
    is. All in px of the page.
    """
    quads = np.concatenate([*found, np.zeros((0, 4, 2))])
    tile_of = np.repeat(np.arange(len(found)), [len(each) for each in found])
    boxes = _boxes(quads)
    free = np.array([not _covered(box, _boxes(kept)) for box in boxes], bool)
    quads, tile_of, boxes = quads[free], tile_of[free], boxes[free]
    group = np.arange(len(boxes))
    for i in range(len(boxes)):
        for j in np.flatnonzero((tile_of > tile_of[i]) & _same_line(boxes[i], boxes)):
            group[group == group[j]] = group[i]
    lines = [_hull(quads[group == number]) for number in np.unique(group)]
    return np.concatenate([kept, np.array(lines).reshape(-1, 4, 2)])


def _spans(side: int, tile: int, overlap: int) -> list[tuple[int, int]]:
    """Return equal spans of at most `tile` px that cover a side and overlap by at least `overlap`."""
    if side <= tile:
        return [(0, side)]
    count = math.ceil((side - overlap) / (tile - overlap))
    starts = [round(i * (side - tile) / (count - 1)) for i in range(count)]
    return [(start, start + tile) for start in starts]


def _boxes(quads: Quads) -> npt.NDArray[np.float64]:
    """Return the upright hulls of quads as x0, y0, x1, y1, float64[k, 4]."""
    if not len(quads):
        return np.zeros((0, 4))
    return np.concatenate([quads.min(axis=1), quads.max(axis=1)], axis=1)


def _same_line(box: npt.NDArray[np.float64], boxes: npt.NDArray[np.float64]) -> npt.NDArray[np.bool_]:
    shared = np.minimum(box[3], boxes[:, 3]) - np.maximum(box[1], boxes[:, 1])
    lower = np.minimum(box[3] - box[1], boxes[:, 3] - boxes[:, 1])
    meet = np.minimum(box[2], boxes[:, 2]) > np.maximum(box[0], boxes[:, 0])
    both: npt.NDArray[np.bool_] = meet & (shared >= SAME_LINE * lower)
    return both


def _covered(box: npt.NDArray[np.float64], boxes: npt.NDArray[np.float64]) -> bool:
    """Tell whether at least half of a box lies in one of `boxes`."""
    sides = np.minimum(box[2:], boxes[:, 2:]) - np.maximum(box[:2], boxes[:, :2])
    shared = np.prod(np.clip(sides, 0, None), axis=1)
    return bool((shared >= 0.5 * np.prod(box[2:] - box[:2])).any())


def _hull(quads: Quads) -> Quads:
    if len(quads) == 1:
        alone: Quads = quads[0]
        return alone
    (x0, y0), (x1, y1) = quads.min(axis=(0, 1)), quads.max(axis=(0, 1))
    return np.array([[x0, y0], [x1, y0], [x1, y1], [x0, y1]])
