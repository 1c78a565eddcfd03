"""Images like those of a web crawl: gradients, shapes, grain and signs, in several sizes and formats, with alt texts.

Photographs cannot be had offline; what matters here is that sizes, formats and entropy are those of photographs.
"""

import io
import math
import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from PIL import Image, ImageDraw, ImageFilter, ImageFont

from tests.support.shards import write_tar

__all__ = ["SCENES", "Scene", "draw", "write_scenes"]


@dataclass(frozen=True)
class Scene:
    """One sample: key, size in px, Pillow format, alt text, and the words of a sign ("": none)."""

    key: str
    size: tuple[int, int]
    format: str
    alt_text: str
    sign: str = ""


SCENES: Final = (
    Scene("street", (640, 480), "JPEG", "A person walks a brown dog past an open shop in the old town", "OPEN"),
    Scene("hills", (800, 600), "JPEG", "Green hills under a bright evening sky after the rain"),
    Scene("poster", (480, 640), "PNG", "Poster for the summer market, Saturday at nine", "SUMMER MARKET"),
    Scene("thumbnail", (320, 200), "JPEG", "A small preview of a garden with yellow flowers"),
    Scene("square", (512, 512), "WEBP", "Portrait of a young person with a dog in a park"),
    Scene("panorama", (1200, 500), "JPEG", "A wide view over the harbour and its boats at noon", "HARBOUR"),
)
"""Two shards: all pass a shorter side of 448 px but the thumbnail, which passes none above 200 px."""


def write_scenes(folder: Path, scenes: Sequence[Scene] = SCENES, broken: bool = True) -> list[str]:
    """Write the scenes into two tars, the second with a JPEG that is cut off, and return the keys in order."""
    half = math.ceil(len(scenes) / 2)
    shards = [list(scenes[:half]), list(scenes[half:])]
    for number, shard in enumerate(shards):
        members = [member for scene in shard for member in _members(scene)]
        if broken and number:
            cut = Scene("cut", (640, 480), "JPEG", "A photo whose download was cut off in the middle of it")
            (image, data), text = _members(cut)
            members += [(image, data[: len(data) // 2]), text]
        write_tar(folder / f"{number:05}.tar", members)
    return [scene.key for scene in scenes] + ["cut"] * broken


def _members(scene: Scene) -> list[tuple[str, bytes]]:
    stream = io.BytesIO()
    draw(scene).save(stream, scene.format, quality=88)
    extension = scene.format.lower().replace("jpeg", "jpg")
    return [(f"{scene.key}.{extension}", stream.getvalue()), (f"{scene.key}.txt", scene.alt_text.encode())]


def draw(scene: Scene) -> Image.Image:
    """Return a sky over ground with soft shapes and grain, and the sign in black on white if there is one."""
    width, height = scene.size
    dice = random.Random(scene.key)
    rows = np.linspace(0, 1, height)[:, None, None]
    top, bottom = (np.array([dice.randrange(40, 240) for _ in range(3)]) for _ in range(2))
    image = Image.fromarray((top * (1 - rows) + bottom * rows + np.zeros((height, width, 3))).astype(np.uint8))
    pen = ImageDraw.Draw(image)
    for _ in range(12):
        x, y, size = dice.randrange(width), dice.randrange(height), dice.randrange(height // 12, height // 3)
        colour = tuple(dice.randrange(256) for _ in range(3))
        shape = pen.ellipse if dice.random() < 0.5 else pen.rectangle
        shape((x, y, x + size, y + dice.randrange(size // 2, size)), fill=colour)
    grain = np.random.default_rng(len(scene.key)).normal(0, 8, (height, width, 3))
    soft = np.asarray(image.filter(ImageFilter.GaussianBlur(2)), np.float64)
    image = Image.fromarray((soft + grain).clip(0, 255).astype(np.uint8))
    return _with_sign(image, scene.sign) if scene.sign else image


def _with_sign(image: Image.Image, words: str) -> Image.Image:
    font = ImageFont.load_default(size=image.height // 10)
    pen = ImageDraw.Draw(image)
    left, top, right, bottom = pen.textbbox((image.width // 8, image.height // 3), words, font=font)
    pen.rectangle((left - 20, top - 20, right + 20, bottom + 20), fill="white")
    pen.text((image.width // 8, image.height // 3), words, font=font, fill="black")
    return image
