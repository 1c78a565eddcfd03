"""Small good files: images of every format, tars and shards. Fault runs damage and feed them, tests share them."""

import io
import json
import tarfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from curate.pixels import encode_jpeg

__all__ = [
    "FORMATS",
    "animation",
    "encode",
    "image",
    "jpeg",
    "small_jpeg",
    "tar_bytes",
    "turned",
    "write_shard",
    "write_tar",
]

FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "AVIF", "BMP", "TIFF")


def image(width: int = 64, height: int = 48, mode: str = "RGB") -> Image.Image:
    """Return a smooth image whose four quadrants are red, green, blue and grey, so that turning it shows."""
    pixels = np.zeros((height, width, 3), np.uint8)
    pixels[: height // 2, : width // 2] = (220, 30, 30)
    pixels[: height // 2, width // 2 :] = (30, 200, 40)
    pixels[height // 2 :, : width // 2] = (30, 40, 210)
    pixels[height // 2 :, width // 2 :] = (128, 128, 128)
    return Image.fromarray(pixels).convert(mode)


def encode(image: Image.Image, kind: str = "JPEG", **options: Any) -> bytes:
    """Return an image as a file of a Pillow format."""
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def jpeg(width: int = 64, height: int = 48, **options: Any) -> bytes:
    """Return the smooth image as a JPEG."""
    return encode(image(width, height), "JPEG", quality=90, **options)


def turned(orientation: int, kind: str = "JPEG") -> bytes:
    """Return the smooth image with an EXIF orientation, 1 to 8."""
    exif = Image.Exif()
    exif[274] = orientation
    return encode(image(), kind, exif=exif)


def animation(frames: int = 3, kind: str = "GIF") -> bytes:
    """Return an animation of 16 x 16 px."""
    stills = [image(16, 16).rotate(90 * i) for i in range(frames)]
    return encode(stills[0], kind, save_all=True, append_images=stills[1:], duration=40)


def small_jpeg(seed: int, side: int = 32) -> bytes:
    """Return a small JPEG that differs from seed to seed."""
    rng = np.random.default_rng(seed)
    return encode_jpeg(rng.integers(0, 255, (side, side, 3), dtype=np.uint8), 90)


def tar_bytes(
    members: Mapping[str, bytes] | Sequence[tuple[str, bytes]], kind: int = tarfile.USTAR_FORMAT, mode: str = "w"
) -> bytes:
    """Return a tar with the members in order; a sequence of pairs may repeat names."""
    pairs = members.items() if isinstance(members, Mapping) else members
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=mode, format=kind) as tar:  # type: ignore[call-overload]
        for name, content in pairs:
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def write_tar(path: Path, members: Sequence[tuple[str, bytes]]) -> Path:
    """Write members as they are, in order, and return the path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(tar_bytes(members, tarfile.DEFAULT_FORMAT))
    return path


def write_shard(path: Path, texts: Sequence[str | None], extra: Mapping[str, object] | None = None) -> Path:
    """Write one sample per text (None: no .txt member), each with a small image and a .json member."""
    members = []
    for i, text in enumerate(texts):
        members.append((f"{i:04d}.jpg", small_jpeg(i)))
        if text is not None:
            members.append((f"{i:04d}.txt", text.encode()))
        members.append((f"{i:04d}.json", json.dumps({"index": i, **(extra or {})}).encode()))
    return write_tar(path, members)
