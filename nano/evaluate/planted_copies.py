"""Plant changed copies of pictures, group all by near-duplicates, and print precision and recall."""

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from PIL import Image, ImageDraw, ImageEnhance, ImageOps
from rich.console import Console
from rich.table import Table

from curate.corpus.near_duplicates import NearDuplicates
from curate.corpus.tables import measure_tables
from curate.experts.image_facts import GRID, perceptual_hashes
from curate.experts.image_fingerprint import SIDE, fingerprint
from curate.pixels import decode
from curate.similarity.components import components
from curate.similarity.hamming import find_near_hashes
from schemas.image_fingerprint import FINGERPRINT_BYTES

__all__ = ["KINDS", "evaluate", "report"]

Change = Callable[[Image.Image, np.random.Generator], Image.Image]


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


KINDS: dict[str, tuple[str, Change, int]] = {
    "coded again, quality 30": ("easy", lambda image, rng: image, 30),
    "half the size": ("easy", resize(0.5), 85),
    "a third of the size": ("easy", resize(0.33), 85),
    "crop of 5 %": ("medium", crop(0.05), 85),
    "colours": ("medium", colours, 85),
    "grey": ("medium", lambda image, rng: ImageOps.grayscale(image), 85),
    "overlay": ("medium", overlay, 85),
    "mirrored": ("hard", lambda image, rng: ImageOps.mirror(image), 85),
    "border": ("hard", border, 85),
    "crop of 15 %": ("hard", crop(0.15), 85),
    "turned by 3 degrees": ("hard", lambda image, rng: image.rotate(3, Image.Resampling.BICUBIC), 85),
}
"""What is planted: how hard it is, the change, and the JPEG quality after it."""


def encode(image: Image.Image, quality: int) -> bytes:
    stream = io.BytesIO()
    image.convert("RGB").save(stream, "JPEG", quality=quality)
    return stream.getvalue()


def plant(pictures: list[Image.Image]) -> tuple[list[bytes], list[int], list[str]]:
    """Return encoded images, of which picture each is, and its kind; "original" for the pictures themselves."""
    images, source, kind = [], [], []
    for i, picture in enumerate(pictures):
        images.append(encode(picture, 92))
        source.append(i)
        kind.append("original")
        for number, (name, (_, change, quality)) in enumerate(KINDS.items()):
            images.append(encode(change(picture, np.random.default_rng((i, number))), quality))
            source.append(i)
            kind.append(name)
    return images, source, kind


def group(images: list[bytes], surety: float) -> np.ndarray[Any, Any]:
    """Return the group of each image, as NearDuplicates finds it."""
    prints = [fingerprint(decode(image, SIDE)) for image in images]
    table = pa.table(
        {
            "uid": [f"{i:032x}" for i in range(len(images))],
            "image_fingerprint": pa.array([data for data, _ in prints], pa.binary(FINGERPRINT_BYTES)),
            "image_fingerprint_aspect": pa.array([aspect for _, aspect in prints], pa.float32()),
        }
    )
    measured = measure_tables(NearDuplicates(surety), {"all": table})["all"]
    return np.array([int(uid, 16) for uid in measured["duplicate_group"].to_pylist()])


def group_by_phash(images: list[bytes], radius: int = 4) -> np.ndarray[Any, Any]:
    """Return the connected components of hashes within a radius."""
    grids = np.zeros((len(images), GRID, GRID))
    for i, image in enumerate(images):
        small = Image.fromarray(decode(image, 256, luma=True)).resize((GRID, GRID), Image.Resampling.BOX)
        grids[i] = np.asarray(small)
    hashes = perceptual_hashes(grids)
    return components(len(hashes), find_near_hashes(hashes, radius))


def evaluate(source: list[int], kind: list[str], groups: np.ndarray[Any, Any]) -> dict[str, float]:
    """Return recall by kind and by difficulty, and the precision of pairs."""
    at = np.array(source)
    originals = np.flatnonzero(np.array(kind) == "original")
    hit = groups == groups[originals][at]
    result = {name: float(hit[np.array(kind) == name].mean()) for name in KINDS}
    for level in ("easy", "medium", "hard"):
        result[level] = float(np.mean([result[name] for name, (hard, *_) in KINDS.items() if hard == level]))
    together = _pairs(groups)
    true = _pairs(groups.astype(np.int64) * (len(originals) + 1) + at)
    return {**result, "precision": true / max(1, together), "pairs": float(together)}


def _pairs(labels: np.ndarray[Any, Any]) -> int:
    counts = np.unique(labels, return_counts=True)[1].astype(np.int64)
    return int((counts * (counts - 1) // 2).sum())


def report(pictures: list[Image.Image], surety: float, to: Path | None) -> None:
    """Plant copies of distinct pictures, group all, and print precision and recall; as JSON too, if asked."""
    images, source, kind = plant(pictures)
    results = {
        "near": evaluate(source, kind, group(images, surety)),
        "phash": evaluate(source, kind, group_by_phash(images)),
    }
    table = Table(title=f"{len(pictures)} pictures, {len(images)} images")
    for name in ("kind", "NearDuplicates", "image_phash within 4"):
        table.add_column(name)
    for name in results["near"]:
        table.add_row(name, *(f"{each[name]:.3f}" for each in results.values()))
    Console().print(table)
    if to:
        to.write_text(json.dumps(results, indent=1))
