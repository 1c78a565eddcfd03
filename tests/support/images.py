"""Good and odd images and tars for tests: the good ones are those of the fault runs, the odd ones are made here."""

import struct
import zlib

import numpy as np
from PIL import Image

from faults.files import FORMATS, animation, encode, image, jpeg, tar_bytes, turned

__all__ = [
    "FORMATS",
    "animation",
    "encode",
    "image",
    "jpeg",
    "noise",
    "png_bomb",
    "raw_png",
    "tar_bytes",
    "turned",
]


def noise(width: int, height: int, seed: int = 0) -> bytes:
    """Return a JPEG whose entropy-coded data fills most of the file, so that a cut anywhere hits pixels."""
    pixels = np.random.default_rng(seed).integers(0, 255, (height, width, 3), dtype=np.uint8)
    return encode(Image.fromarray(pixels), "JPEG", quality=90)


def raw_png(width: int, height: int, bits: int, rows: bytes) -> bytes:
    """Return an RGB PNG of any header; `rows` are the scan lines, each after a zero filter byte."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, bits, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def png_bomb(width: int, height: int) -> bytes:
    """Return a PNG of a few hundred bytes whose header promises any size."""
    return raw_png(width, height, 8, bytes(10_000))
