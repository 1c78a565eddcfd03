"""Small generators of good and odd images and tars, shared by the tests."""

import io
import struct
import tarfile
import zlib
from collections.abc import Mapping, Sequence

import numpy as np
from PIL import Image

FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "AVIF", "BMP", "TIFF")


def image(width: int = 64, height: int = 48, mode: str = "RGB") -> Image.Image:
    """Return a smooth image whose four quadrants are red, green, blue and grey, so that turning it shows."""
    pixels = np.zeros((height, width, 3), np.uint8)
    pixels[: height // 2, : width // 2] = (220, 30, 30)
    pixels[: height // 2, width // 2 :] = (30, 200, 40)
    pixels[height // 2 :, : width // 2] = (30, 40, 210)
    pixels[height // 2 :, width // 2 :] = (128, 128, 128)
    return Image.fromarray(pixels).convert(mode)


def encode(image: Image.Image, kind: str = "JPEG", **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def jpeg(width: int = 64, height: int = 48, **options: object) -> bytes:
    return encode(image(width, height), "JPEG", quality=90, **options)


def noise(width: int, height: int, seed: int = 0) -> bytes:
    """Return a JPEG whose entropy-coded data fills most of the file, so that a cut anywhere hits pixels."""
    pixels = np.random.default_rng(seed).integers(0, 255, (height, width, 3), dtype=np.uint8)
    return encode(Image.fromarray(pixels), "JPEG", quality=90)


def turned(orientation: int, kind: str = "JPEG") -> bytes:
    exif = Image.Exif()
    exif[274] = orientation
    return encode(image(), kind, exif=exif)


def animation(frames: int = 3, kind: str = "GIF") -> bytes:
    stills = [image(16, 16).rotate(90 * i) for i in range(frames)]
    return encode(stills[0], kind, save_all=True, append_images=stills[1:], duration=40)


def raw_png(width: int, height: int, bits: int, rows: bytes) -> bytes:
    """Return an RGB PNG of any header; `rows` are the scan lines, each after a zero filter byte."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, bits, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def png_bomb(width: int, height: int) -> bytes:
    """Return a PNG of a few hundred bytes whose header promises any size."""
    return raw_png(width, height, 8, bytes(10_000))


def tar_bytes(
    members: Mapping[str, bytes] | Sequence[tuple[str, bytes]], kind: int = tarfile.USTAR_FORMAT, mode: str = "w"
) -> bytes:
    """Return a tar with the members in order; a sequence of pairs may repeat names."""
    pairs = members.items() if isinstance(members, Mapping) else members
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=mode, format=kind) as tar:
        for name, content in pairs:
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return buffer.getvalue()
