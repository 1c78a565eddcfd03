"""Digest the decoded pixels of an image."""

import hashlib
from dataclasses import dataclass, field
from typing import ClassVar

import pyarrow as pa

from curate.stages import Batch, Measurement, Resources, Scorer
from schemas.pixel_digest import PIXEL_DIGEST

__all__ = ["PixelDigest"]


@dataclass(frozen=True)
class PixelDigest:
    """Add a digest of all pixels; see `schemas.pixel_digest`.

    Decodes at full size, which costs more than most experts: for sources that hold lossless copies in other formats.
    Source: SHA-256 is FIPS 180-4.
    """

    version: ClassVar[int] = 1
    needs: ClassVar[tuple[str, ...]] = ()
    adds: ClassVar[pa.Schema] = PIXEL_DIGEST
    pixels: ClassVar[int] = 0
    resources: Resources = field(default=Resources(batch_rows=16), repr=False, compare=False)

    def check(self) -> None:
        """Nothing is missing: it needs no extra."""

    def load(self) -> Scorer:
        """Return the scorer; there is nothing to load."""
        return measure


def measure(batch: Batch) -> Measurement:
    """Return every column of `PIXEL_DIGEST` for n images."""
    digests = []
    for image in batch.images:
        height, width = image.shape[:2]
        state = hashlib.sha256(f"{height} {width} ".encode())
        state.update(image.tobytes())
        digests.append(state.hexdigest())
    return Measurement({"image_pixels_sha256": digests})
