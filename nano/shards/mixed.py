"""Draw large images of the emojiworld of which half are plain and half are dense, with exact ground truth.

A plain one is a scene enlarged to 1,000 to 1,300 px: a photograph with one to five large things in it. A page is 2 x 2
or 3 x 3 scenes of 290 to 630 px side by side, drawn at their own size: many small things and signs. Its columns
and rows differ in width and height, so that a regular grid of tiles cuts through its scenes. Everything comes from one
integer seed; no script trains on these seeds.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from PIL import Image

from nano.world.annotation import Box, Scene
from nano.world.scenes import make_scene
from nano.world.texts import mentioned

__all__ = ["CaptionScore", "Mixed", "draw_mixed", "score_captions"]

HELD_OUT = 6_000_000_000_000  # no training script draws these seeds
PER_IMAGE = 1_000
SIGN_SHARE = 0.7  # of the scenes of a page
SHORT_PX, LONG_PX = 1_000, 1_300


@dataclass(frozen=True, slots=True)
class Mixed:
    """An image and its truth: boxes of objects by class name, boxes of signs by text, all in px of the image."""

    kind: Literal["plain", "page"]
    image: Image.Image
    objects: tuple[tuple[str, Box], ...]
    signs: tuple[tuple[str, Box], ...]

    @property
    def names(self) -> frozenset[str]:
        """The classes that can be seen."""
        return frozenset(name for name, _ in self.objects)


@dataclass(frozen=True, slots=True)
class CaptionScore:
    """Fractions in [0, 1], pooled over the images; null where nothing could be counted."""

    object_recall: float | None  # classes in the image that are named
    object_precision: float | None  # named classes that are in the image
    text_recall: float | None  # signs whose exact text is in the caption, ignoring case


def draw_mixed(count: int, seed: int = 0) -> list[Mixed]:
    """Draw `count` images, plain ones and pages in turn."""
    first = HELD_OUT + seed * 10_000_000
    draw = (_plain, _page)
    return [draw[i % 2](first + i * PER_IMAGE) for i in range(count)]


def score_captions(captions: Sequence[str], images: Sequence[Mixed]) -> CaptionScore:
    """Measure captions against the truth of their images, in the same order."""
    named = hit = there = signs = read = 0
    for text, mixed in zip(captions, images, strict=True):
        names, present = mentioned(text), mixed.names
        named, there, hit = named + len(names), there + len(present), hit + len(names & present)
        signs += len(mixed.signs)
        read += sum(sign.lower() in text.lower() for sign, _ in mixed.signs)
    return CaptionScore(_share(hit, there), _share(hit, named), _share(read, signs))


def _share(part: int, whole: int) -> float | None:
    return round(part / whole, 3) if whole else None


def _plain(seed: int) -> Mixed:
    small, scene = make_scene(seed)
    factor = random.Random(f"plain/{seed}").randint(SHORT_PX, LONG_PX) / max(small.size)
    size = (round(small.width * factor), round(small.height * factor))
    objects, signs = _truth(scene, 0, 0, factor)
    return Mixed("plain", small.resize(size, Image.Resampling.BICUBIC), tuple(objects), tuple(signs))


def _page(seed: int) -> Mixed:
    rng = random.Random(f"page/{seed}")
    cells = rng.choice((2, 3))
    columns, rows = (_edges(rng.randint(SHORT_PX + 8, LONG_PX), cells, rng) for _ in range(2))
    canvas = Image.new("RGB", (columns[-1], rows[-1]), (255, 255, 255))
    objects: list[tuple[str, Box]] = []
    signs: list[tuple[str, Box]] = []
    for number in range(cells * cells):
        row, column = divmod(number, cells)
        x, y = columns[column], rows[row]
        size = (columns[column + 1] - x, rows[row + 1] - y)
        image, scene = _scene(seed + number, size, rng.random() < SIGN_SHARE)
        canvas.paste(image, (x, y))
        seen, read = _truth(scene, x, y, 1.0)
        objects += seen
        signs += read
    return Mixed("page", canvas, tuple(objects), tuple(signs))


def _edges(length: int, cells: int, rng: random.Random) -> list[int]:
    """Return the borders of `cells` parts of unequal length, off the regular ones by up to 15 % of a part."""
    part = length / cells
    return [0, *(round(part * (i + rng.uniform(-0.15, 0.15))) for i in range(1, cells)), length]


def _scene(seed: int, size: tuple[int, int], with_sign: bool) -> tuple[Image.Image, Scene]:
    """Draw the first scene from `seed` on, in steps of 10, that has or lacks a sign as asked."""
    while True:
        image, scene = make_scene(seed, size)
        if (scene.sign is not None) == with_sign:
            return image, scene
        seed += 10


def _truth(scene: Scene, x: int, y: int, factor: float) -> tuple[list[tuple[str, Box]], list[tuple[str, Box]]]:
    """Return the objects and signs of a scene that is enlarged and moved."""

    def moved(box: Box) -> Box:
        x0, y0, x1, y1 = (round(side * factor) for side in box)
        return x + x0, y + y0, x + x1, y + y1

    signs = [(scene.sign.text, moved(scene.sign.box))] if scene.sign else []
    return [(thing.name, moved(thing.box)) for thing in scene.objects], signs
