"""What detectors find, and which of it is kept."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Final, TypeAlias, TypeVar

from curate.captions.boxes import area, overlap
from curate.stages import Pixels

__all__ = ["Detection", "Detector", "a_few_at_once", "choose", "without_doubles"]

Item = TypeVar("Item")

# Images of a forward pass, whatever the rows of a batch: of 16 yolo11x has 2.7 GiB of live tensors, of 64 it has 10.8
# (counted by torch on its meta device, float32, 640 px).
IMAGES_AT_ONCE: Final = 16


@dataclass(frozen=True, slots=True)
class Detection:
    """One object: its class, its box as x0, y0, x1, y1 in fractions of the image, and its score 0 to 1."""

    label: str
    box: tuple[float, float, float, float]
    score: float

    @property
    def area(self) -> float:
        return area(self.box)

    def row(self) -> dict[str, object]:
        """Return the detection as `schemas.objects` has it."""
        return {"label": self.label, "box": list(self.box), "score": self.score}


Detector: TypeAlias = Callable[[Sequence[Pixels]], list[list[Detection]]]
"""A loaded model: the detections of each image."""


def a_few_at_once(items: Sequence[Item]) -> Iterator[Sequence[Item]]:
    """Yield images, or what stands for them, in order: as many as a forward pass may hold at a time."""
    for start in range(0, len(items), IMAGES_AT_ONCE):
        yield items[start : start + IMAGES_AT_ONCE]


def _best_first(detection: Detection) -> tuple[float, float, str, tuple[float, ...]]:
    return -detection.score, detection.area, detection.label, detection.box


def without_doubles(detections: Sequence[Detection], max_overlap: float) -> list[Detection]:
    """Return the detections, best first, less those that overlap a better one of their label by `max_overlap` IoU."""
    kept: list[Detection] = []
    for one in sorted(detections, key=_best_first):
        if all(one.label != other.label or overlap(one.box, other.box) < max_overlap for other in kept):
            kept.append(one)
    return kept


def choose(detections: Sequence[Detection], limit: int) -> list[Detection]:
    """Return at most `limit` detections, best first: half the places (rounded up) by score, the others by smallness.

    The better half goes to the highest scores, the other places to the smallest boxes of what is left, so that a crowd
    of sure large objects does not hide the small ones. Equal scores: the smaller box first; then label, then box.
    """
    ranked = sorted(detections, key=_best_first)
    if len(ranked) <= limit:
        return ranked
    best, rest = ranked[: (limit + 1) // 2], ranked[(limit + 1) // 2 :]
    smallest = sorted(rest, key=lambda one: (one.area, *_best_first(one)))[: limit - len(best)]
    return sorted(chain(best, smallest), key=_best_first)
