"""Measure what an image is, without a model."""

import hashlib
import math
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from PIL import Image

from curate.errors import SampleError
from curate.pixels import probe
from curate.stages import Batch, Measurement, Pixels, Resources, Scorer
from schemas.image_facts import IMAGE_FACTS

__all__ = ["ImageFacts"]

SIDE = 256  # shortest side in px on which blur and entropy are measured; smaller images are left as they are
GRID = 32  # side in px of the luma that is hashed

Luma = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class ImageFacts:
    """Add format, size, frames, digests, blur and entropy; see `schemas.image_facts`.

    Blur, entropy and the perceptual hash are measured on the luma, reduced to 256 px: of a JPEG by the DCT first.
    Source: the hash is that of Zauner 2010, "Implementation and Benchmarking of Perceptual Image Hash Functions".
    """

    version: ClassVar[int] = 2
    needs: ClassVar[tuple[str, ...]] = ()
    adds: ClassVar[pa.Schema] = IMAGE_FACTS
    pixels: ClassVar[int] = SIDE
    luma: ClassVar[bool] = True
    resources: Resources = field(default=Resources(), repr=False, compare=False)

    def check(self) -> None:
        """Nothing is missing: it needs no extra."""

    def load(self) -> Scorer:
        """Return the scorer; there is nothing to load."""
        return measure


def measure(batch: Batch) -> Measurement:
    """Return every column of `IMAGE_FACTS` for n images; a header that cannot be read becomes an error row."""
    columns: dict[str, list[object]] = {name: [] for name in IMAGE_FACTS.names}
    errors: list[SampleError | None] = []
    grids = np.zeros((len(batch), GRID, GRID), np.float64)
    for i, (payload, image) in enumerate(zip(batch.payloads, batch.images, strict=True)):
        try:
            facts = _facts(payload, image, grids[i])
            errors.append(None)
        except SampleError as error:
            facts = {}
            errors.append(error)
        for name, values in columns.items():
            values.append(facts.get(name))
    for i, value in enumerate(perceptual_hashes(grids)):
        columns["image_phash"][i] = None if errors[i] else int(value)
    return Measurement(columns, errors)


def _facts(payload: bytes, image: Pixels, grid: npt.NDArray[np.float64]) -> dict[str, object]:
    header = probe(payload)
    luma = _reduced_luma(image)
    grid[:] = np.asarray(luma.resize((GRID, GRID), Image.Resampling.BOX), np.float64)
    return {
        "image_format": header.format,
        "image_width_px": header.width_px,
        "image_height_px": header.height_px,
        "image_frames": header.frames,
        "image_sha256": hashlib.sha256(payload).hexdigest(),
        "image_blur": laplacian_variance(np.asarray(luma)),
        "image_entropy_bits": entropy_bits(luma.histogram()),
    }


def _reduced_luma(image: Pixels) -> Image.Image:
    """Return the luma (ITU-R 601) with its shortest side reduced to 256 px by area averaging; never enlarged."""
    luma = Image.fromarray(image) if image.ndim == 2 else Image.fromarray(image).convert("L")
    scale = SIDE / min(luma.size)
    if scale >= 1:
        return luma
    width, height = (max(SIDE, round(side * scale)) for side in luma.size)
    return luma.resize((width, height), Image.Resampling.BOX)


def laplacian_variance(luma: Luma) -> float | None:
    """Return the variance of the 4-neighbour Laplacian of uint8[h, w] without its border; None under 3 px a side.

    Sums are whole numbers that a float64 holds, so the result does not depend on the machine.
    """
    if min(luma.shape) < 3:
        return None
    wide = luma.astype(np.int16)
    edges = wide[1:-1, 1:-1] * 4
    for neighbours in (wide[:-2, 1:-1], wide[2:, 1:-1], wide[1:-1, :-2], wide[1:-1, 2:]):
        edges -= neighbours
    values = edges.ravel().astype(np.float64)
    return int(values @ values) / values.size - (_edge_sum(wide) / values.size) ** 2


def _edge_sum(wide: npt.NDArray[np.int16]) -> int:
    """Return the sum of the Laplacian over an image: all but its two outer rings of differences cancel out."""
    rows = wide[[0, 1, -2, -1], 1:-1].sum(axis=1, dtype=np.int64)
    columns = wide[1:-1, [0, 1, -2, -1]].sum(axis=0, dtype=np.int64)
    return int((rows + columns) @ np.array([-1, 1, 1, -1]))


def entropy_bits(histogram: list[int]) -> float:
    """Return the Shannon entropy in bits of a histogram of counts."""
    total = sum(histogram)
    return -math.fsum(n / total * math.log2(n / total) for n in histogram if n) + 0.0


def _cosines() -> npt.NDArray[np.float64]:
    """Return the rows 1 to 8 of the DCT-II of length 32: float64[8, 32]."""
    frequency, place = np.arange(1, 9)[:, None], np.arange(GRID)[None, :]
    return np.cos(np.pi * frequency * (2 * place + 1) / (2 * GRID)) * math.sqrt(2 / GRID)


COSINES = _cosines()


def perceptual_hashes(grids: npt.NDArray[np.float64]) -> npt.NDArray[np.uint64]:
    """Return uint64[n] for luma grids float64[n, 32, 32].

    Bit 63 is the lowest frequency in both directions, then row by row: 1 where the coefficient lies above the median
    of the 64. Coefficients are rounded to 1/1000 of a luma level first, so an image of one colour gives 0 anywhere.
    """
    spectrum = np.round(COSINES @ grids @ COSINES.T, 3).reshape(len(grids), 64)
    bits = spectrum > np.median(spectrum, axis=1, keepdims=True)
    return np.packbits(bits, axis=1).view(">u8").ravel().astype(np.uint64)
