"""Lay one small picture over another, and say how well what both show agrees."""

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from curate.similarity.fingerprints import blur
from curate.similarity.views import View

__all__ = ["Agreement", "agreement", "align", "coarse", "start_at"]

SIDE, COARSE, BLOCKS = 32, 16, 4
ROUNDS: Final = 8
CLIP: Final = 1.5  # standard deviations: what is laid over one picture does not pull at the other
STEP: Final = 0.06  # of the side: how far a round may move
NOISE: Final = 1.5  # levels, root mean square, that coding adds

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Agreement:
    """How n pairs agree: correlations of detail in 16 blocks, weighted by their contrast, each float32[n].

    `all` is their mean, `spread` how many blocks share the contrast, 1 to
    16; `inside` the share of one picture that the other shows, `detail` the lesser detail in levels.
    """

    all: Floats
    spread: Floats
    inside: Floats
    detail: Floats


def _places(side: int) -> tuple[Floats, Floats]:
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


def coarse(luma: Floats) -> Floats:
    """Return detail of n pictures at half the size with a standard deviation of 1, float32[n, 16, 16]."""
    half = blur(luma, 1.0).reshape(-1, COARSE, 2, COARSE, 2).mean(axis=(2, 4))
    fine = half - blur(half, 2.0)
    return np.asarray(fine / np.maximum(np.sqrt(np.mean(fine * fine, axis=(1, 2))), 1e-3)[:, None, None])


def align(first: Floats, second: Floats, start: Floats) -> Floats:
    """Return the affine maps, float32[n, 6], that lay n pictures over n others, from where they are thought to lie.

    Both are as `coarse` returns them. Source: Baker and Matthews 2004, "Lucas-Kanade 20 Years On" (inverse
    compositional), with clipped differences.
    """
    x, y = _places(COARSE)
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
        seen, inside = _sample(first, at, x, y)
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


def _sample(images: Floats, at: Floats, x: Floats, y: Floats) -> tuple[Floats, npt.NDArray[np.bool_]]:
    """Return n pictures at mapped places, bilinear, and which places lie in them, both [n, places]."""
    side = images.shape[1]
    u = at[:, 0:1] + at[:, 1:2] * x + at[:, 2:3] * y
    v = at[:, 3:4] + at[:, 4:5] * x + at[:, 5:6] * y
    inside = (u >= 0) & (u <= 1) & (v >= 0) & (v <= 1)
    u, v = (np.clip(each * side - 0.5, 0, side - 1.001) for each in (u, v))
    left, top = u.astype(np.int32), v.astype(np.int32)
    du, dv = u - left, v - top
    place = top + np.arange(len(images), dtype=np.int32)[:, None] * side
    place = place * side + left
    flat = images.ravel()
    upper = flat[place] * (1 - du) + flat[place + 1] * du
    lower = flat[place + side] * (1 - du) + flat[place + side + 1] * du
    return upper * (1 - dv) + lower * dv, inside


def agreement(first: Floats, second: Floats, at: Floats) -> Agreement:
    """Say how details of n pairs agree, float32[n, 32, 32] both, the first as mapped."""
    seen, inside = _sample(first, at, *_places(SIDE))
    weight = inside.astype(np.float32)
    a, b, w = (_blocks(each) for each in (seen, second.reshape(len(second), SIDE * SIDE), weight))
    count = w.sum(axis=2)
    a, b = (w * (each - (w * each).sum(axis=2, keepdims=True) / np.maximum(count, 1)[:, :, None]) for each in (a, b))
    floor = NOISE**2 * np.maximum(count, 1)
    strength = np.sqrt(((a * a).sum(axis=2) + floor) * ((b * b).sum(axis=2) + floor))
    rho = np.clip((a * b).sum(axis=2) / strength, 0, 1)
    share = np.sqrt(strength) * (count >= 20)
    share = share / np.maximum(share.sum(axis=1, keepdims=True), 1e-6)
    energy = np.minimum((a * a).sum(axis=(1, 2)), (b * b).sum(axis=(1, 2))) / np.maximum(count.sum(axis=1), 1)
    spread = 1 / np.maximum((share * share).sum(axis=1), 1 / 16)
    within = inside.mean(axis=1, dtype=np.float32)
    return Agreement((share * rho).sum(axis=1), spread, within, np.sqrt(energy))


def _blocks(values: Floats) -> Floats:
    """Return float32[n, 1024] as float32[n, 16, 64]."""
    side = SIDE // BLOCKS
    parts = values.reshape(-1, BLOCKS, side, BLOCKS, side).transpose(0, 1, 3, 2, 4)
    return parts.reshape(len(values), BLOCKS * BLOCKS, side * side)
