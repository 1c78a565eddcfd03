"""Ground truth of an image: its background, objects and sign, in pixels and in words."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, TypeAlias

__all__ = ["Box", "Scene", "Sign", "Thing", "area", "position_words", "size_word"]

Box: TypeAlias = tuple[int, int, int, int]
"""Pixel box (x0, y0, x1, y1), x1 and y1 exclusive."""


@dataclass(frozen=True, slots=True)
class Thing:
    """One object: class name, box, nine-way position and size word."""

    name: str
    box: Box
    position: str
    size: str


@dataclass(frozen=True, slots=True)
class Sign:
    """A text sign: the exact text, box, nine-way position and panel colour."""

    text: str
    box: Box
    position: str
    colour: str


@dataclass(frozen=True, slots=True)
class Scene:
    """Ground truth of one image; `colours` are two names, of which a plain or grainy background shows the first."""

    seed: int
    width: int
    height: int
    background: str
    colours: tuple[str, str]
    objects: tuple[Thing, ...] = ()
    sign: Sign | None = None

    def counts(self) -> dict[str, int]:
        """Return the number of objects per class, the biggest object's class first."""
        found: dict[str, int] = {}
        for thing in sorted(self.objects, key=area, reverse=True):
            found[thing.name] = found.get(thing.name, 0) + 1
        return found

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON-ready form."""
        return asdict(self)

    @staticmethod
    def from_dict(data: Mapping[str, Any]) -> "Scene":
        """Return the scene that `to_dict`, or its JSON, describes."""

        def boxed(part: Mapping[str, Any]) -> dict[str, Any]:
            return {**part, "box": tuple(part["box"])}

        things = tuple(Thing(**boxed(part)) for part in data["objects"])
        sign = Sign(**boxed(data["sign"])) if data["sign"] else None
        return Scene(**{**data, "colours": tuple(data["colours"]), "objects": things, "sign": sign})


def area(thing: Thing) -> int:
    """Return the box area in pixels."""
    return (thing.box[2] - thing.box[0]) * (thing.box[3] - thing.box[1])


def position_words(box: Box, width: int, height: int) -> str:
    """Return the nine-way position of a box's centre: 'top left', ..., 'centre', ..., 'bottom right'."""
    col = min(2, int(3 * (box[0] + box[2]) / 2 / width))
    row = min(2, int(3 * (box[1] + box[3]) / 2 / height))
    if row == 1 and col == 1:
        return "centre"
    return f"{('top', 'middle', 'bottom')[row]} {('left', 'centre', 'right')[col]}"


def size_word(box: Box, width: int, height: int) -> str:
    """Return 'small', 'medium' or 'large' from the box's share of the image."""
    side = math.sqrt((box[2] - box[0]) * (box[3] - box[1]) / (width * height))
    return "small" if side < 0.19 else "medium" if side < 0.30 else "large"
