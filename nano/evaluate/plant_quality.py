"""Spoil good images in ways that the quality filters should find, and in ways that they should not mind."""

import io
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
from PIL import Image, ImageDraw, ImageEnhance, ImageFilter, ImageOps

from nano.world.scenes import FONTS, sign_font

__all__ = ["FAULTS", "Fault", "stored"]

STORED_QUALITY: Final = 92


@dataclass(frozen=True, slots=True)
class Fault:
    """A way to spoil an image, and the filter that should drop it; "" for one that every filter should keep.

    `make` returns an image, stored then as a good JPEG, or the bytes of a file.
    """

    name: str
    filter: str
    make: Callable[[Image.Image, random.Random], Image.Image | bytes]


def stored(image: Image.Image, quality: int = STORED_QUALITY) -> bytes:
    """Return an image as JPEG."""
    file = io.BytesIO()
    image.save(file, "JPEG", quality=quality)
    return file.getvalue()


def blank(image: Image.Image, rng: random.Random) -> Image.Image:
    """Return one colour, or paper with the grain of a scanner."""
    colour = tuple(rng.randrange(256) for _ in range(3))
    plain = np.full((image.height, image.width, 3), colour, np.float64)
    if rng.random() < 0.5:
        plain += np.random.default_rng(rng.randrange(2**32)).normal(0, 1.5, plain.shape)
    return Image.fromarray(np.clip(plain, 0, 255).astype(np.uint8))


def darken(image: Image.Image, rng: random.Random) -> Image.Image:
    return ImageEnhance.Brightness(image).enhance(rng.uniform(0.08, 0.22))


def brighten(image: Image.Image, rng: random.Random) -> Image.Image:
    """Expose so long that about half of the image is white."""
    levels = np.sort(np.asarray(image.convert("L")).ravel())
    middle = max(1.0, float(levels[int(len(levels) * rng.uniform(0.35, 0.55))]))
    return ImageEnhance.Brightness(image).enhance(max(1.5, 256 / middle))


def fade(image: Image.Image, rng: random.Random) -> Image.Image:
    return Image.blend(Image.new("RGB", image.size, (rng.randrange(70, 190),) * 3), image, rng.uniform(0.08, 0.2))


def add_noise(image: Image.Image, rng: random.Random) -> Image.Image:
    noise = np.random.default_rng(rng.randrange(2**32)).normal(0, rng.uniform(12, 30), (image.height, image.width, 3))
    return Image.fromarray(np.clip(np.asarray(image) + noise, 0, 255).astype(np.uint8))


def blur(image: Image.Image, rng: random.Random) -> Image.Image:
    return image.filter(ImageFilter.GaussianBlur(min(image.size) / 256 * rng.uniform(2.5, 5)))


def enlarge(kernel: Image.Resampling) -> Callable[[Image.Image, random.Random], Image.Image]:
    """Return a fault that reduces an image 2 to 3 times and enlarges it again; whole times for repeated pixels."""

    def make(image: Image.Image, rng: random.Random) -> Image.Image:
        times = rng.choice([2, 3]) if kernel is Image.Resampling.NEAREST else rng.uniform(2, 3)
        small = (round(image.width / times), round(image.height / times))
        size = (int(small[0] * times), int(small[1] * times))
        return image.resize(small, Image.Resampling.LANCZOS).resize(size, kernel)

    return make


def compress(image: Image.Image, rng: random.Random) -> bytes:
    return stored(image, rng.randint(5, 22))


def compress_twice(image: Image.Image, rng: random.Random) -> Image.Image:
    """Return what is left after strong compression, to be stored anew at a good quality."""
    return Image.open(io.BytesIO(stored(image, rng.randint(5, 16)))).convert("RGB")


def grey(image: Image.Image, _: random.Random) -> Image.Image:
    return image.convert("L").convert("RGB")


def sepia(image: Image.Image, rng: random.Random) -> Image.Image:
    return ImageOps.colorize(image.convert("L"), (20, 10, 5), rng.choice([(255, 240, 200), (220, 230, 255)]))


def tile_text(image: Image.Image, rng: random.Random) -> Image.Image:
    """Lay a faint text over the image, slanted, in tiles."""
    size = max(12, min(image.size) // rng.randint(14, 22))
    font, text = sign_font(rng.choice(FONTS), size), rng.choice(["stock photo", "SAMPLE", "preview", "agency.example"])
    wide, high = round(font.getlength(text)) + size * rng.randint(1, 3), size * rng.randint(3, 5)
    sheet = Image.new("L", (2 * image.width, 2 * image.height), 0)
    draw = ImageDraw.Draw(sheet)
    for row in range(2 * image.height // high + 1):
        for column in range(-1, 2 * image.width // wide + 1):
            draw.text((column * wide + (row % 2) * wide // 2, row * high), text, font=font, fill=255)
    turned = sheet.rotate(rng.choice([0, 20, 30, 45]), Image.Resampling.BICUBIC)
    left, top = image.width // 2, image.height // 2
    mask = turned.crop((left, top, left + image.width, top + image.height))
    strength = rng.uniform(0.18, 0.4)
    colour = rng.choice([(255, 255, 255), (230, 230, 230), (20, 20, 20)])
    return Image.composite(Image.new("RGB", image.size, colour), image, mask.point(lambda v: int(v * strength)))


def cut_out(image: Image.Image, rng: random.Random) -> Image.Image:
    """Return the middle of the image as a thing on white paper."""
    white = Image.new("RGB", image.size, "white")
    radius = rng.uniform(0.25, 0.4)
    mask = Image.new("L", image.size, 0)
    box = [
        image.width * (0.5 - radius),
        image.height * (0.5 - radius),
        image.width * (0.5 + radius),
        image.height * (0.5 + radius),
    ]
    ImageDraw.Draw(mask).ellipse(box, fill=255)
    return Image.composite(image, white, mask)


def reduce(image: Image.Image, rng: random.Random) -> Image.Image:
    scale = rng.uniform(0.5, 0.8)
    return image.resize((round(image.width * scale), round(image.height * scale)), Image.Resampling.LANCZOS)


def fair_copy(image: Image.Image, rng: random.Random) -> bytes:
    return stored(image, rng.randint(60, 85))


def as_png(image: Image.Image, _: random.Random) -> bytes:
    file = io.BytesIO()
    image.save(file, "PNG")
    return file.getvalue()


FAULTS: Final = (
    Fault("blank", "NotBlank", blank),
    Fault("dark", "NotDark", darken),
    Fault("overexposed", "NotOverexposed", brighten),
    Fault("faded", "MinContrast", fade),
    Fault("noise", "MaxNoise", add_noise),
    Fault("blurred", "MinSharpness", blur),
    Fault("enlarged, bicubic", "NotUpscaled", enlarge(Image.Resampling.BICUBIC)),
    Fault("enlarged, bilinear", "NotUpscaled", enlarge(Image.Resampling.BILINEAR)),
    Fault("enlarged, nearest", "NotUpscaled", enlarge(Image.Resampling.NEAREST)),
    Fault("low quality JPEG", "MinJpegQuality", compress),
    Fault("low quality, stored anew", "MaxBlockiness", compress_twice),
    Fault("grey", "NotMonochrome", grey),
    Fault("one tint", "NotMonochrome", sepia),
    Fault("tiled watermark", "NoTiledWatermark", tile_text),
    Fault("good JPEG", "", lambda image, _: image),
    Fault("fair JPEG", "", fair_copy),
    Fault("PNG", "", as_png),
    Fault("reduced", "", reduce),
    Fault("thing on white", "", cut_out),
)
