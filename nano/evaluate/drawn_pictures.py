"""Pictures that are hard to tell apart: plain grounds, gradients, noise, a few shapes, pages of text, and scenes."""

from collections.abc import Callable
from typing import Final

import numpy as np
from PIL import Image, ImageDraw

from curate.pixels import decode
from nano.evaluate.planted_copies import Picture
from nano.shards.make import draw_clean

__all__ = ["DRAWINGS", "all_drawn"]

SIZE: Final = (400, 300)
FIRST: Final = 70_000  # seed of the first scene
LETTERS: Final = tuple("etaoinshrdlucmfwypvbgk")

Draw = Callable[[np.random.Generator], Image.Image]


def _colour(rng: np.random.Generator) -> tuple[int, int, int]:
    red, green, blue = (int(level) for level in rng.integers(0, 256, 3))
    return red, green, blue


def _ground(rng: np.random.Generator) -> tuple[int, int, int]:
    """Return white, black or any colour."""
    return ((255, 255, 255), (0, 0, 0), _colour(rng))[rng.integers(0, 3)]


def plain(rng: np.random.Generator) -> Image.Image:
    """Return a flag: two or three stripes, upright or lying, some with a disc."""
    image = Image.new("RGB", SIZE, _colour(rng))
    draw, count, upright = ImageDraw.Draw(image), int(rng.integers(1, 4)), rng.random() < 0.5
    for i in range(count):
        edges = (SIZE[0] * i / count, 0, SIZE[0] * (i + 1) / count, SIZE[1])
        lying = (0, SIZE[1] * i / count, SIZE[0], SIZE[1] * (i + 1) / count)
        draw.rectangle(edges if upright else lying, fill=_colour(rng))
    if rng.random() < 0.4:
        radius = float(rng.uniform(30, 110))
        draw.ellipse((200 - radius, 150 - radius, 200 + radius, 150 + radius), fill=_colour(rng))
    return image


def gradient(rng: np.random.Generator) -> Image.Image:
    """Return light that changes slowly between the corners."""
    corners = rng.integers(0, 256, (2, 2, 3), np.uint8)
    return Image.fromarray(corners).resize(SIZE, Image.Resampling.BICUBIC)


def noise(rng: np.random.Generator) -> Image.Image:
    """Return a texture: noise of one grain, in shades of one colour."""
    grain = int(rng.integers(4, 60))
    levels = rng.normal(1, rng.uniform(0.1, 0.4), (SIZE[1] // grain + 2, SIZE[0] // grain + 2, 1))
    shades = np.clip(levels * np.array(_colour(rng)), 0, 255).astype(np.uint8)
    return Image.fromarray(shades).resize(SIZE, Image.Resampling.BICUBIC)


def shapes(rng: np.random.Generator) -> Image.Image:
    """Return a logo: one to four discs, boxes, triangles or stars on a plain ground."""
    image = Image.new("RGB", SIZE, _ground(rng))
    draw = ImageDraw.Draw(image)
    for _ in range(int(rng.integers(1, 5))):
        x, y = float(rng.uniform(80, 320)), float(rng.uniform(70, 230))
        radius, corners = float(rng.uniform(20, 110)), int(rng.integers(3, 14))
        angle = np.arange(2 * corners) * np.pi / corners + rng.uniform(0, 3)
        reach = radius * np.where(np.arange(2 * corners) % 2, rng.uniform(0.3, 1), 1)
        match int(rng.integers(0, 3)):
            case 0:
                draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=_colour(rng))
            case 1:
                draw.rectangle((x - radius, y - radius * 0.6, x + radius, y + radius * 0.6), fill=_colour(rng))
            case _:
                points = np.column_stack([x + reach * np.cos(angle), y + reach * np.sin(angle)])
                draw.polygon([(float(a), float(b)) for a, b in points], fill=_colour(rng))
    return image


def page(rng: np.random.Generator) -> Image.Image:
    """Return a page of words in one of a few layouts, some with a picture in it."""
    image = Image.new("RGB", (300, 400), (255, 255, 255))
    draw, columns, size = ImageDraw.Draw(image), int(rng.integers(1, 3)), int(rng.integers(9, 14))
    for column in range(columns):
        left = 20 + column * 140
        for top in range(50, 380, size + 4):
            length = int((280 / columns - 20) / size * (0.4 if rng.random() < 0.15 else 1.9))
            draw.text((left, top), "".join(rng.choice((*LETTERS, " "), length)), fill=(20, 20, 20), font_size=size)
    draw.text((20, 15), "".join(rng.choice(LETTERS, 12)), fill=(0, 0, 0), font_size=22)
    if rng.random() < 0.4:
        top = int(rng.integers(60, 240))
        draw.rectangle((20, top, 280, top + 100), fill=_colour(rng))
    return image


DRAWINGS: Final[dict[str, Draw]] = {
    "drawn: plain": plain,
    "drawn: gradient": gradient,
    "drawn: noise": noise,
    "drawn: shapes": shapes,
    "drawn: page": page,
}


def all_drawn(count: int) -> list[Picture]:
    """Return so many pictures of each kind, and as many scenes of the emojiworld."""
    drawn = [
        Picture(draw(np.random.default_rng((number, i))), group, f"{group} {i}")
        for number, (group, draw) in enumerate(DRAWINGS.items())
        for i in range(count)
    ]
    scenes = [sample.image for sample in draw_clean(count, FIRST)]
    decoded = [Image.fromarray(decode(image, 0)) for image in scenes if image]
    return [*drawn, *(Picture(image, "emojiworld", f"emojiworld {i}") for i, image in enumerate(decoded))]
