"""What two pictures share that lie over each other: the numbers by which a pair is judged."""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from curate.similarity.alignment import align, coarse, places, sample
from curate.similarity.fingerprints import Fingerprints, halve
from schemas.image_fingerprint import CHROMA_SIDE, LUMA_SIDE

__all__ = ["NAMES", "HalfSeen", "compare", "lay_over"]

NAMES: Final = (
    "agreement",  # mean correlation of detail in 64 blocks, weighted by their contrast
    "spread",  # log of how many blocks share the contrast
    "best",  # that mean over the best 60 % of the contrast
    "apart",  # the share of the contrast in blocks that hardly agree
    "contrast",  # log of the lesser contrast within blocks, levels
    "light",  # correlation of luma as a whole, at 16 px
    "coarse",  # correlation of its detail, at 16 px
    "colour",  # correlation of colour about its mean
    "colourful",  # log of the lesser variance of colour
    "tint",  # by how much colour differs on average, levels
    "stretch",  # log of how far a px of one is from a square in the other
    "turn",  # off-diagonal parts of the map
    "area",  # log of the area in one that a unit of the other takes
    "inside",  # the share of one that the other shows
    "distance",  # signs that differ in the view that found the pair
)
BLOCKS: Final = 8
NOISE: Final = 1.5  # levels, root mean square, that coding adds
AGREES: Final = 0.4
BEST: Final = 0.6

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class HalfSeen:
    """Maps that lay n pictures over n others, float32[n, 6], and correlations of their luma and of its detail there."""

    at: Floats
    light: Floats
    detail: Floats

    def take(self, rows: npt.NDArray[np.int64]) -> "HalfSeen":
        """Return some of them."""
        return HalfSeen(self.at[rows], self.light[rows], self.detail[rows])


def lay_over(first: Fingerprints, second: Fingerprints, start: Floats) -> HalfSeen:
    """Lay n pictures over n others, beginning with maps between the whole pictures."""
    one, other = (halve(halve(each.luma.astype(np.float32))) for each in (first, second))
    fine = coarse(one), coarse(other)
    found = align(*fine, start)
    before, after = (_laid_over(*fine, at, 1e-3) for at in (start, found))
    at = np.where((after >= before)[:, None], found, start)  # the edge of a frame may pull the map away
    return HalfSeen(at, _laid_over(one, other, at, 4.0), np.maximum(before, after))


def _laid_over(one: Floats, other: Floats, at: Floats, floor: float) -> Floats:
    """Return the correlations of n pictures with n others where both show the same place, float32[n]."""
    seen, inside = sample(one, at, *places(one.shape[1]))
    a, b, count = _centred(seen, other.reshape(len(other), one.shape[1] * one.shape[2]), inside)
    return _correlation((a * b).sum(axis=1), (a * a).sum(axis=1), (b * b).sum(axis=1), floor * count)


def compare(first: Fingerprints, second: Fingerprints, half: HalfSeen, distance: npt.NDArray[np.int64]) -> Floats:
    """Return the numbers of `NAMES` for n pairs, float32[n, 15]."""
    at = half.at
    seen, inside = sample(first.luma.astype(np.float32), at, *places(LUMA_SIDE))
    detail = _detail(seen, second.luma.reshape(len(at), LUMA_SIDE**2).astype(np.float32), inside)
    colour = _colour(first.chroma, second.chroma, at)
    wide, high = np.abs(at[:, 1]), np.maximum(np.abs(at[:, 5]), 0.01)
    aspect = np.log(np.maximum(second.aspect, 1e-3)) - np.log(np.maximum(first.aspect, 1e-3))
    stretch = np.abs(np.log(np.maximum(wide, 0.01) / high) - aspect)
    turn = np.abs(at[:, 2]) + np.abs(at[:, 4])
    area = np.log(np.clip(np.abs(at[:, 1] * at[:, 5] - at[:, 2] * at[:, 4]), 0.05, 5))
    rest = (stretch, turn, area, inside.mean(axis=1), distance)
    return np.stack([*detail, half.light, half.detail, *colour, *rest], axis=1).astype(np.float32)


def _centred(seen: Floats, other: Floats, inside: npt.NDArray[Any]) -> tuple[Floats, Floats, Floats]:
    """Return both without their means over the last axis, 0 where not inside, and how many are inside."""
    weight = inside.astype(np.float32)
    count = np.maximum(weight.sum(axis=-1), 1)
    a, b = (weight * (each - (weight * each).sum(axis=-1, keepdims=True) / count[..., None]) for each in (seen, other))
    return a, b, count


def _correlation(product: Floats, first: Floats, second: Floats, floor: Floats) -> Floats:
    return np.asarray(product / np.sqrt((first + floor) * (second + floor)), np.float32)


def _detail(seen: Floats, other: Floats, inside: npt.NDArray[np.bool_]) -> tuple[Floats, ...]:
    """Return the first five numbers."""
    a, b, count = _centred(_blocks(seen), _blocks(other), _blocks(inside))
    one, two, floor = (a * a).sum(axis=2), (b * b).sum(axis=2), NOISE**2 * count
    rho = np.clip(_correlation((a * b).sum(axis=2), one, two, floor), 0, 1)
    share = np.sqrt(np.sqrt((one + floor) * (two + floor))) * (count >= 0.3 * (LUMA_SIDE // BLOCKS) ** 2)
    share = share / np.maximum(share.sum(axis=1, keepdims=True), 1e-6)
    spread = np.log(1 / np.maximum((share * share).sum(axis=1), 1 / BLOCKS**2))
    order = np.argsort(-(rho + 2 * (share > 0)), axis=1, kind="stable")
    upto = np.minimum(np.cumsum(np.take_along_axis(share, order, 1), axis=1), BEST)
    best = (np.diff(upto, axis=1, prepend=0) * np.take_along_axis(rho, order, 1)).sum(axis=1) / BEST
    apart = (share * (rho < AGREES)).sum(axis=1)
    contrast = np.sqrt(np.minimum(one.sum(axis=1), two.sum(axis=1)) / count.sum(axis=1))
    return (share * rho).sum(axis=1), spread, best, apart, np.log(contrast + 0.1)


def _blocks(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return [n, 4096] as [n, 64, 64]: blocks, and the px of each."""
    side = LUMA_SIDE // BLOCKS
    parts = values.reshape(-1, BLOCKS, side, BLOCKS, side).transpose(0, 1, 3, 2, 4)
    return parts.reshape(len(values), BLOCKS * BLOCKS, side * side)


def _colour(first: npt.NDArray[np.uint8], second: npt.NDArray[np.uint8], at: Floats) -> tuple[Floats, ...]:
    """Return correlation, variance and difference of colour."""
    count = len(at)
    product, one, two, tint, inner = (np.zeros(count, np.float32) for _ in range(5))
    for channel in range(2):
        seen, inside = sample(first[:, channel].astype(np.float32), at, *places(CHROMA_SIDE))
        other = second[:, channel].reshape(count, CHROMA_SIDE**2).astype(np.float32)
        a, b, inner = _centred(seen, other, inside)
        product, one, two = product + (a * b).sum(axis=1), one + (a * a).sum(axis=1), two + (b * b).sum(axis=1)
        tint = tint + (inside * np.abs(seen - other)).sum(axis=1) / inner
    correlation = _correlation(product, one, two, 2 * inner)
    return correlation, np.log(np.minimum(one, two) / inner + 0.1), tint
