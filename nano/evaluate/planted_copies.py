"""Changed copies of pictures, as they are found on the web, and their fingerprints."""

import io
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageEnhance, ImageOps

from curate.errors import SampleError
from curate.experts.image_fingerprint import SIDE, fingerprint
from curate.pixels import decode

__all__ = ["KINDS", "Picture", "Planted", "any_change", "distinct", "held_out", "plant", "read_folder"]

Change = Callable[[Image.Image, np.random.Generator], Image.Image]
LARGEST: Final = 640  # px: pictures are planted at most as large


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture, what class of pictures it is of, and its name, by which it is in one half or the other."""

    image: Image.Image
    group: str
    name: str


@dataclass(frozen=True, slots=True)
class Planted:
    """Fingerprints of pictures and their copies: uint8[n, b], float32[n], the picture int64[n], the kind of each."""

    prints: npt.NDArray[np.uint8]
    aspects: npt.NDArray[np.float32]
    source: npt.NDArray[np.int64]
    kind: npt.NDArray[np.str_]


def held_out(name: str) -> bool:
    """Tell whether a picture is in the half that nothing is fitted on."""
    return zlib.crc32(name.encode()) % 2 == 1


def read_folder(folder: Path, most: int) -> list[Picture]:
    """Return the first pictures of a folder by name; the folder's name is their class. Unreadable ones are left out."""
    found: list[Picture] = []
    for path in sorted(folder.rglob("*")):
        if path.is_file() and len(found) < most:
            try:
                image = Image.fromarray(decode(path.read_bytes(), 480))
            except SampleError:
                continue
            image.thumbnail((LARGEST, LARGEST))
            found.append(Picture(image, folder.name, path.name))
    return found


def distinct(pictures: Sequence[Picture], alike: float = 0.95) -> list[Picture]:
    """Return the pictures whose luma at 64 px correlates with that of none before them by more than `alike`.

    A folder holds copies of its own; what looks the same without our doing would count as wrong. Compares all pairs.
    """
    kept = list[Picture]()
    rows = np.zeros((len(pictures), 64 * 64), np.float32)
    for picture in pictures:
        luma = np.asarray(picture.image.convert("L").resize((64, 64), Image.Resampling.BILINEAR), np.float32).ravel()
        luma -= luma.mean()
        luma /= max(float(np.linalg.norm(luma)), 1e-6)
        if not len(kept) or float((rows[: len(kept)] @ luma).max()) <= alike:
            rows[len(kept)] = luma
            kept.append(picture)
    return kept


def crop(share: float) -> Change:
    """Return what cuts a share of each side off, somewhere."""

    def change(image: Image.Image, rng: np.random.Generator) -> Image.Image:
        width, height = (max(1, round(side * (1 - share))) for side in image.size)
        left, top = rng.integers(0, image.width - width + 1), rng.integers(0, image.height - height + 1)
        return image.crop((int(left), int(top), int(left) + width, int(top) + height))

    return change


def overlay(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    """Return the image with a banner, a box or words over it."""
    copy = image.copy()
    draw = ImageDraw.Draw(copy, "RGBA")
    width, height = copy.size
    x, y = float(rng.uniform(0, 0.6) * width), float(rng.uniform(0, 0.75) * height)
    colour = tuple(int(level) for level in rng.integers(0, 256, 3))
    match int(rng.integers(0, 3)):
        case 0:
            draw.rectangle((0, height * 0.86, width, height), fill=(*colour, 220))
        case 1:
            draw.rectangle((x, y, x + width * 0.3, y + height * 0.2), fill=(*colour, 255))
        case _:
            draw.text((x, y), "SAMPLE 42", fill=(255, 255, 255, 210), font_size=max(10, height // 8))
    return copy


def border(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    """Return the image in a frame of one colour."""
    colour = [(0, 0, 0), (255, 255, 255), tuple(int(level) for level in rng.integers(0, 256, 3))][rng.integers(0, 3)]
    return ImageOps.expand(image, max(2, int(min(image.size) * rng.uniform(0.04, 0.15))), colour)


def resize(factor: float) -> Change:
    return lambda image, rng: image.resize(tuple(max(8, round(side * factor)) for side in image.size))


def colours(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    """Return the image with other brightness, contrast and saturation."""
    for kind in (ImageEnhance.Brightness, ImageEnhance.Contrast, ImageEnhance.Color):
        image = kind(image).enhance(float(rng.uniform(0.7, 1.35)))
    return image


def turn(degrees: float) -> Change:
    return lambda image, rng: image.rotate(degrees, Image.Resampling.BICUBIC)


def mirror(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    return ImageOps.mirror(image)


KINDS: Final[dict[str, tuple[str, Change, int]]] = {
    "coded again, quality 30": ("easy", lambda image, rng: image, 30),
    "half the size": ("easy", resize(0.5), 85),
    "a third of the size": ("easy", resize(0.33), 85),
    "crop of 5 %": ("medium", crop(0.05), 85),
    "colours": ("medium", colours, 85),
    "grey": ("medium", lambda image, rng: ImageOps.grayscale(image), 85),
    "overlay": ("medium", overlay, 85),
    "mirrored": ("hard", mirror, 85),
    "border": ("hard", border, 85),
    "crop of 15 %": ("hard", crop(0.15), 85),
    "turned by 3 degrees": ("hard", turn(3), 85),
}
"""What is planted to be found: how hard it is, the change, and the JPEG quality after it."""


def any_change(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    """Return the image after one change, now and then two, each of any extent: what the matcher is fitted on."""
    changes = (
        lambda image, rng: image,
        lambda image, rng: resize(float(rng.uniform(0.25, 1.3)))(image, rng),
        lambda image, rng: crop(float(rng.uniform(0.01, 0.22)))(image, rng),
        colours,
        lambda image, rng: ImageOps.grayscale(image).convert("RGB"),
        overlay,
        mirror,
        border,
        lambda image, rng: turn(float(rng.uniform(-4, 4)))(image, rng),
    )
    for _ in range(1 + int(rng.random() < 0.15)):
        image = changes[rng.integers(0, len(changes))](image, rng)
    return image


def encode(image: Image.Image, quality: int) -> bytes:
    stream = io.BytesIO()
    image.convert("RGB").save(stream, "JPEG", quality=quality)
    return stream.getvalue()


def plant(pictures: Sequence[Picture], any_changes: int = 0) -> Planted:
    """Return the fingerprints of pictures, "original", and of a copy of each of every kind, or of so many of any."""
    prints, aspects, source, kind = list[bytes](), list[float](), list[int](), list[str]()
    for i, picture in enumerate(pictures):
        for name, image in _copies(picture, any_changes):
            data, aspect = fingerprint(decode(image, SIDE))
            prints.append(data)
            aspects.append(aspect)
            source.append(i)
            kind.append(name)
    rows = np.frombuffer(b"".join(prints), np.uint8).reshape(len(prints), -1)
    return Planted(rows, np.array(aspects, np.float32), np.array(source), np.array(kind))


def _copies(picture: Picture, any_changes: int) -> Iterator[tuple[str, bytes]]:
    seed = zlib.crc32(picture.name.encode())
    yield "original", encode(picture.image, 92)
    for number in range(any_changes):
        rng: Any = np.random.default_rng((seed, 1_000 + number))
        yield "any", encode(any_change(picture.image, rng), int(rng.integers(30, 93)))
    if not any_changes:
        for number, (name, (_, change, quality)) in enumerate(KINDS.items()):
            yield name, encode(change(picture.image, np.random.default_rng((seed, number))), quality)
