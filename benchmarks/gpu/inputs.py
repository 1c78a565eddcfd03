"""Tars of JPEGs of a given size, the same bytes every time, made once under a work folder."""

import io
import os
import shutil
import tarfile
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from curate.pixels import encode_jpeg

__all__ = ["appear", "page", "payloads", "squares"]

TEXT = "The quick brown fox jumps over the lazy dog near the old stone bridge in the morning light"


def squares(work: Path, side_px: int, count: int, shards: int = 4) -> list[Path]:
    """Return `shards` tars that together hold `count` square images, each with a short text."""
    folder = work / f"squares-{side_px}-{count}-{shards}"
    if not folder.exists():
        part = folder.with_name(f"part-{os.getpid()}-{folder.name}")
        part.mkdir(parents=True, exist_ok=True)
        rng = np.random.default_rng(side_px)
        for number in range(shards):
            images = range(number * count // shards, (number + 1) * count // shards)
            _write(part / f"{number:05d}.tar", {f"{i:09d}": _square(rng, side_px) for i in images})
        appear(part, folder)
    return sorted(folder.glob("*.tar"))


def appear(part: Path, place: Path) -> None:
    """Give a finished file or folder its name, unless another process was first with the same."""
    try:
        part.rename(place)
    except OSError:
        if not place.exists():
            raise
        shutil.rmtree(part)


def payloads(tars: list[Path]) -> list[bytes]:
    """Return the encoded images of tars, in order."""
    images = []
    for path in tars:
        with tarfile.open(path) as tar:
            members = [member for member in tar.getmembers() if member.name.endswith(".jpg")]
            images += [tar.extractfile(member).read() for member in members]  # type: ignore[union-attr]
    return images


def page(number: int, lines: int, side_px: int = 736) -> bytes:
    """Return the JPEG of a light page with some lines of dark text."""
    image = Image.new("RGB", (side_px, side_px), (240, 238, 230))
    draw, font = ImageDraw.Draw(image), ImageFont.load_default(20)
    words = TEXT.split()
    for line in range(lines):
        turned = [words[(number + line + i) % len(words)] for i in range(8)]
        draw.text((24, 24 + line * 32), f"{number * 100 + line} {' '.join(turned)}", fill=(20, 20, 40), font=font)
    return encode_jpeg(np.asarray(image), 90)


def _square(rng: np.random.Generator, side_px: int) -> bytes:
    """Return a JPEG of smooth colours, which no two images share."""
    colours = Image.fromarray(rng.integers(0, 255, (16, 16, 3), dtype=np.uint8))
    return encode_jpeg(np.asarray(colours.resize((side_px, side_px), Image.Resampling.BICUBIC)), 90)


def _write(path: Path, images: dict[str, bytes]) -> None:
    with tarfile.open(path, "w", format=tarfile.USTAR_FORMAT) as tar:
        for key, jpeg in images.items():
            for extension, content in (("jpg", jpeg), ("txt", b"a picture of smooth colours")):
                member = tarfile.TarInfo(f"{key}.{extension}")
                member.size = len(content)
                tar.addfile(member, io.BytesIO(content))
