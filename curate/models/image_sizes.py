"""What a chat model's processor makes of an image: the size it is scaled to, and the tokens that it costs.

Each class is the arithmetic of one kind of processor, as in `transformers`; the tests compare them. All sizes are
(width, height) in px. A size that `fitted` returns is one that the processor leaves as it is: pixels are resized once.
"""

import math
from dataclasses import dataclass
from typing import Protocol, TypeAlias, runtime_checkable

__all__ = ["AnyResolution", "Filled", "Fixed", "ImageSizes", "Patches", "RowPatches", "Splits", "Tiles", "fitted"]

Size: TypeAlias = tuple[int, int]
STEPS = 16  # a processor's rule is stable after a step or two


@runtime_checkable
class ImageSizes(Protocol):
    """The rule by which a model's processor sizes images."""

    @property
    def unit_px(self) -> int:
        """The side in px of the smallest square that a larger image is measured in."""

    @property
    def most_px(self) -> int:
        """The longest side in px at which a square image is shown in one piece, in whole units."""

    def wanted(self, width: int, height: int, longest_side_px: int) -> Size:
        """Return the size to ask for, so that an image is shown with its longest side at most so long."""

    def resized(self, width: int, height: int) -> Size:
        """Return the size that the processor scales an image to, without padding."""

    def tokens(self, width: int, height: int) -> int:
        """Return how many tokens of a prompt an image of that size takes; texts around it do not count."""


def fitted(sizes: ImageSizes, width: int, height: int, longest_side_px: int) -> Size:
    """Return the size at which to send an image: one that the processor leaves as it is.

    Its longest side is at most `longest_side_px`, unless the processor itself makes no image so small.

    >>> [fitted(sizes, 1000, 700, 448) for sizes in (Patches(28), Patches(32), Fixed(896, 256))]
    [(448, 308), (448, 320), (896, 896)]
    """
    size = sizes.wanted(width, height, longest_side_px)
    for _ in range(STEPS):
        again = sizes.resized(*size)
        if again == size:
            break
        size = again
    return size


@dataclass(frozen=True, slots=True)
class Patches:
    """Sides are whole numbers of `unit_px`, a patch times what is merged; one token each (Qwen-VL, GLM-V).

    An image is enlarged to `min_pixels` and reduced to `max_pixels`, counted `frames` times.
    """

    unit_px: int
    min_pixels: int = 56 * 56
    max_pixels: int = 16384 * 28 * 28
    frames: int = 1

    @property
    def most_px(self) -> int:
        return max(1, math.isqrt(self.max_pixels // self.frames) // self.unit_px) * self.unit_px

    def wanted(self, width: int, height: int, longest_side_px: int) -> Size:
        return in_units(self.unit_px, width, height, longest_side_px)

    def resized(self, width: int, height: int) -> Size:
        unit = self.unit_px
        wide, high = (round(side / unit) * unit for side in (width, height))
        area = self.frames * width * height
        if self.frames * wide * high > self.max_pixels:
            shrink = math.sqrt(area / self.max_pixels)
            wide, high = (max(unit, math.floor(side / shrink / unit) * unit) for side in (width, height))
        elif self.frames * wide * high < self.min_pixels:
            grow = math.sqrt(self.min_pixels / area)
            wide, high = (math.ceil(side * grow / unit) * unit for side in (width, height))
        return wide, high

    def tokens(self, width: int, height: int) -> int:
        wide, high = self.resized(width, height)
        return wide * high // self.unit_px**2


@dataclass(frozen=True, slots=True)
class RowPatches:
    """Sides are whole numbers of `unit_px`, at most `longest_px`; a token each, and one after each row (Pixtral)."""

    unit_px: int
    longest_px: int

    @property
    def most_px(self) -> int:
        return self.longest_px // self.unit_px * self.unit_px

    def wanted(self, width: int, height: int, longest_side_px: int) -> Size:
        return in_units(self.unit_px, width, height, min(longest_side_px, self.longest_px))

    def resized(self, width: int, height: int) -> Size:
        ratio = max(1.0, width / self.longest_px, height / self.longest_px)
        sides = (math.floor(side / ratio) if ratio > 1 else side for side in (width, height))
        wide, high = (((side - 1) // self.unit_px + 1) * self.unit_px for side in sides)
        return wide, high

    def tokens(self, width: int, height: int) -> int:
        wide, high = (side // self.unit_px for side in self.resized(width, height))
        return (wide + 1) * high


@dataclass(frozen=True, slots=True)
class Fixed:
    """Every image becomes a square of `unit_px` and costs `image_tokens` (Gemma 3 without pan and scan)."""

    unit_px: int
    image_tokens: int

    @property
    def most_px(self) -> int:
        return self.unit_px

    def wanted(self, width: int, height: int, longest_side_px: int) -> Size:
        return self.unit_px, self.unit_px

    def resized(self, width: int, height: int) -> Size:
        return self.unit_px, self.unit_px

    def tokens(self, width: int, height: int) -> int:
        return self.image_tokens


@dataclass(frozen=True, slots=True)
class Tiles:
    """At most `most` square tiles of `unit_px` in the grid nearest to the image's shape, and a small whole (InternVL).

    Each costs `tile_tokens`; one tile is the whole. `ends`: tokens before and after the image.
    """

    unit_px: int
    tile_tokens: int
    most: int = 12
    ends: int = 2

    @property
    def most_px(self) -> int:
        return math.isqrt(self.most) * self.unit_px

    def wanted(self, width: int, height: int, longest_side_px: int) -> Size:
        return in_units(self.unit_px, width, height, longest_side_px)

    def resized(self, width: int, height: int) -> Size:
        columns, rows = self._grid(width, height)
        return columns * self.unit_px, rows * self.unit_px

    def tokens(self, width: int, height: int) -> int:
        count = math.prod(self._grid(width, height))
        return self.ends + self.tile_tokens * (count + (count > 1))

    def _grid(self, width: int, height: int) -> Size:
        sides = range(1, self.most + 1)
        grids = sorted(((c, r) for c in sides for r in sides if c * r <= self.most), key=math.prod)
        best, least = (1, 1), math.inf
        for columns, rows in grids:
            off = abs(width / height - columns / rows)
            larger = off == least and width * height > 0.5 * self.unit_px**2 * columns * rows
            if off < least or larger:
                best, least = (columns, rows), off
        return best


@dataclass(frozen=True, slots=True)
class Splits:
    """The longest side always becomes `longest_px`, then squares of `unit_px` and a small whole (Idefics 3, SmolVLM).

    Each costs `tile_tokens`, whatever the size of the original. Texts between the squares do not count.
    """

    unit_px: int
    tile_tokens: int
    longest_px: int

    @property
    def most_px(self) -> int:
        return self.longest_px

    def wanted(self, width: int, height: int, longest_side_px: int) -> Size:
        return width, height

    def resized(self, width: int, height: int) -> Size:
        ratio = width / height
        if width >= height:
            short = int(self.longest_px / ratio)
            wide, high = self.longest_px, max(1, short + short % 2)
        else:
            short = int(self.longest_px * ratio)
            wide, high = max(1, short + short % 2), self.longest_px
        return math.ceil(wide / self.unit_px) * self.unit_px, math.ceil(high / self.unit_px) * self.unit_px

    def tokens(self, width: int, height: int) -> int:
        wide, high = (side // self.unit_px for side in self.resized(width, height))
        return self.tile_tokens * (wide * high + (wide * high > 1))


@dataclass(frozen=True, slots=True)
class AnyResolution:
    """Fitted into the best canvas of up to `most` x `most` squares of `unit_px`, and a small whole (LLaVA-OneVision).

    A square has `patches` x `patches` tokens; over `max_squares` of them they are pooled, and each row ends in one.
    """

    unit_px: int = 384
    patches: int = 27
    most: int = 6
    max_squares: int = 9

    @property
    def most_px(self) -> int:
        return self.most * self.unit_px

    def wanted(self, width: int, height: int, longest_side_px: int) -> Size:
        scale = min(1.0, longest_side_px / max(width, height))
        return max(1, round(width * scale)), max(1, round(height * scale))

    def resized(self, width: int, height: int) -> Size:
        across, down = self._canvas(width, height)
        wide_scale, high_scale = across / width, down / height
        if wide_scale < high_scale:
            return across, min(math.ceil(height * wide_scale), down)
        return min(math.ceil(width * high_scale), across), down

    def tokens(self, width: int, height: int) -> int:
        across, down = self._canvas(width, height)
        wide, high = (self.patches * (side // self.unit_px) for side in (across, down))
        if width / height > wide / high:
            high -= (high - int(round(height * (wide / width), 7))) // 2 * 2
        else:
            wide -= (wide - int(round(width * (high / height), 7))) // 2 * 2
        ratio = math.sqrt(wide * high / (self.max_squares * self.patches**2))
        if ratio > 1.1:
            wide, high = int(wide // ratio), int(high // ratio)
        return self.patches**2 + wide * high + high

    def _canvas(self, width: int, height: int) -> Size:
        best, most_kept, least_waste = (self.unit_px, self.unit_px), 0, math.inf
        sides = [self.unit_px * (i + 1) for i in range(self.most)]
        for down, across in ((down, across) for down in sides for across in sides):
            scale = min(across / width, down / height)
            kept = min(int(width * scale) * int(height * scale), width * height)
            if kept > most_kept or (kept == most_kept and across * down - kept < least_waste):
                best, most_kept, least_waste = (across, down), kept, across * down - kept
        return best


@dataclass(frozen=True, slots=True)
class Filled:
    """Scaled, up or down, until it fills `most` squares of `unit_px`; one token each (Gemma 4)."""

    unit_px: int = 48
    most: int = 280

    @property
    def most_px(self) -> int:
        return math.isqrt(self.most) * self.unit_px

    def wanted(self, width: int, height: int, longest_side_px: int) -> Size:
        return width, height

    def resized(self, width: int, height: int) -> Size:
        scale = math.sqrt(self.most * self.unit_px**2 / (height * width))
        columns, rows = (math.floor(scale * side / self.unit_px) for side in (width, height))
        if rows == 0:
            columns, rows = min(width // height, self.most), 1
        elif columns == 0:
            columns, rows = 1, min(height // width, self.most)
        return columns * self.unit_px, rows * self.unit_px

    def tokens(self, width: int, height: int) -> int:
        return math.prod(self.resized(width, height)) // self.unit_px**2


def in_units(unit: int, width: int, height: int, longest_side_px: int) -> Size:
    """Return the nearest size in whole units, at least one a side; no side is over `longest_side_px` if that is one."""
    scale = min(1.0, longest_side_px / max(height, width))
    most = max(1, longest_side_px // unit)
    columns, rows = (min(most, max(1, round(side * scale / unit))) for side in (width, height))
    return columns * unit, rows * unit
