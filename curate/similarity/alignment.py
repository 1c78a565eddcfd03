"""Lay one small picture over another: from where they are thought to lie to where they agree."""

from typing import Final

import numpy as np
import numpy.typing as npt

from curate.similarity.fingerprints import blur
from curate.similarity.views import View

__all__ = ["align", "coarse", "places", "sample", "start_at", "start_of", "turned"]

COARSE = 16
ROUNDS: Final = 8
CLIP: Final = 1.5  # standard deviations: what is laid over one picture does not pull at the other
STEP: Final = 0.06  # of the side: how far a round may move

Floats = npt.NDArray[np.float32]


def places(side: int) -> tuple[Floats, Floats]:
    """Return x and y of the middles of the px of a picture, as fractions of its side, row by row."""
    middle = ((np.arange(side) + 0.5) / side).astype(np.float32)
    y, x = np.meshgrid(middle, middle, indexing="ij")
    return x.ravel(), y.ravel()


def start_at(view: View, other: View) -> Floats:
    """Return the affine map from places in one picture to those in the other, if a view of each is the same.

    Six numbers a, ..., f: the place x, y of the second lies at a + b x + c y, d + e x + f y of the first.
    """
    wide = (view.right - view.left) / (other.right - other.left)
    high = (view.bottom - view.top) / (other.bottom - other.top)
    left, top = view.left - wide * other.left, view.top - high * other.top
    if view.mirrored:
        return np.array([1 - left, -wide, 0, top, 0, high], np.float32)
    return np.array([left, wide, 0, top, 0, high], np.float32)


def start_of(at: Floats, degrees: Floats, aspect: Floats, boxes: tuple[Floats, Floats]) -> Floats:
    """Return maps between whole pictures, float32[n, 6], from maps between what is inside boxes of them.

    `degrees` are by how much the inside of the first was turned before, `aspect` is its width over its height; boxes
    are float32[n, 4].
    """
    first, second = boxes
    sides = first[:, 2:] - first[:, :2], np.maximum(second[:, 2:] - second[:, :2], 1e-3)
    none = np.zeros(len(at), np.float32)
    outer = np.stack([first[:, 0], sides[0][:, 0], none, first[:, 1], none, sides[0][:, 1]], axis=1)
    moved = -second[:, :2] / sides[1]
    inner = np.stack([moved[:, 0], 1 / sides[1][:, 0], none, moved[:, 1], none, 1 / sides[1][:, 1]], axis=1)
    return _after(outer, _after(turned(degrees, aspect), _after(at, inner)))


def turned(degrees: Floats, aspect: Floats) -> Floats:
    """Return the maps of turns around the middle, float32[n, 6], of pictures so many times as wide as high."""
    angle = np.deg2rad(degrees).astype(np.float32)
    cos, sin = np.cos(angle), np.sin(angle)
    wide = np.maximum(aspect, 1e-3)
    b, c, e = cos, -sin / wide, sin * wide
    return np.stack([(1 - b - c) / 2, b, c, (1 - e - cos) / 2, e, cos], axis=1).astype(np.float32)


def _after(outer: Floats, inner: Floats) -> Floats:
    """Return the maps that are `inner`, then `outer`."""
    parts = []
    for i in (0, 3):
        for j in range(3):
            part = outer[:, i + 1] * inner[:, j] + outer[:, i + 2] * inner[:, j + 3]
            parts.append(part + outer[:, i] if j == 0 else part)
    return np.stack(parts, axis=1).astype(np.float32)


def coarse(luma: Floats) -> Floats:
    """Return detail of n pictures float32[n, 16, 16] with a standard deviation of 1."""
    fine = luma - blur(luma, 2.0)
    return np.asarray(fine / np.maximum(np.sqrt(np.mean(fine * fine, axis=(1, 2))), 1e-3)[:, None, None])


def align(first: Floats, second: Floats, start: Floats) -> Floats:
    """Return the affine maps, float32[n, 6], that lay n pictures over n others, from where they are thought to lie.

    Both are as `coarse` returns them. Source: Baker and Matthews 2004, "Lucas-Kanade 20 Years On" (inverse
    compositional), with clipped differences.
    """
    x, y = places(COARSE)
    base = np.stack([np.ones_like(x), x, y], axis=1)
    flat = second.reshape(len(second), COARSE * COARSE)
    down, across = (each.reshape(len(second), COARSE * COARSE, 1) * COARSE for each in np.gradient(second, axis=(1, 2)))
    slopes = np.concatenate([across * base, down * base], axis=2)
    curve = np.matmul(slopes.transpose(0, 2, 1), slopes)
    curve += np.eye(6, dtype=np.float32) * (2e-3 / 6 * np.trace(curve, axis1=1, axis2=2) + 1e-3)[:, None, None]
    solve = np.matmul(np.linalg.inv(curve), slopes.transpose(0, 2, 1))
    energy = np.maximum((flat * flat).sum(axis=1), 1e-6)
    at = start.astype(np.float32)
    for _ in range(ROUNDS):
        seen, inside = sample(first, at, x, y)
        gain = np.clip((seen * flat).sum(axis=1) / energy, 0.2, 5)[:, None]
        rest = np.clip(seen / gain - flat, -CLIP, CLIP) * inside
        at = _compose(at, np.clip(np.matmul(solve, rest[:, :, None])[:, :, 0], -STEP, STEP))
    return at


def _compose(at: Floats, step: Floats) -> Floats:
    """Return the maps after the inverse of small steps."""
    moved = at.copy()
    for i in (0, 3):
        moved[:, i : i + 3] -= at[:, i + 1, None] * step[:, :3] + at[:, i + 2, None] * step[:, 3:]
    return moved


def sample(images: Floats, at: Floats, x: Floats, y: Floats) -> tuple[Floats, npt.NDArray[np.bool_]]:
    """Return n pictures at mapped places, bilinear, and which places lie in them, both [n, places]."""
    side = images.shape[1]
    u = at[:, 0:1] + at[:, 1:2] * x + at[:, 2:3] * y
    v = at[:, 3:4] + at[:, 4:5] * x + at[:, 5:6] * y
    inside = (u >= 0) & (u <= 1) & (v >= 0) & (v <= 1)
    u, v = (np.clip(each * side - 0.5, 0, side - 1.001) for each in (u, v))
    left, top = u.astype(np.int64), v.astype(np.int64)
    u -= left
    v -= top
    place = (top + np.arange(len(images))[:, None] * side) * side + left
    flat = images.ravel()
    upper, lower = (_along(flat[start:], place, u) for start in (0, side))
    return np.asarray(upper + (lower - upper) * v, np.float32), inside


def _along(flat: Floats, place: npt.NDArray[np.int64], share: Floats) -> Floats:
    """Return what lies between each place and the next: `take` is twice as fast as an index of arrays."""
    first = flat.take(place)
    first += (flat[1:].take(place) - first) * share
    return first
