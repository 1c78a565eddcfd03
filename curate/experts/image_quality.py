"""Measure how an image was exposed, stored and enlarged, without a model."""

import io
from dataclasses import dataclass, field
from typing import ClassVar, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from PIL import Image
from PIL.JpegImagePlugin import JpegImageFile

from curate.experts.image_measures import blockiness, chroma, detail_frac, middle, noise_sigma, tone
from curate.pixels import sniff
from curate.stages import Batch, Measurement, Pixels, Resources, Scorer
from schemas.image_quality import IMAGE_QUALITY

__all__ = ["ImageQuality", "jpeg_quality"]

STANDARD: Final = np.array(  # the luma table in Annex K of the JPEG standard (ITU-T T.81)
    [
        [16, 11, 10, 16, 24, 40, 51, 61],
        [12, 12, 14, 19, 26, 58, 60, 55],
        [14, 13, 16, 24, 40, 57, 69, 56],
        [14, 17, 22, 29, 51, 87, 80, 62],
        [18, 22, 37, 56, 68, 109, 103, 77],
        [24, 35, 55, 64, 81, 104, 113, 92],
        [49, 64, 78, 87, 103, 121, 120, 101],
        [72, 92, 95, 98, 112, 100, 103, 99],
    ]
)
COLOUR_PX: Final = 256  # colours are measured on averages: single pixels carry the noise of the chroma


@dataclass(frozen=True)
class ImageQuality:
    """Add tones, colours, noise, detail, block artefacts and JPEG quality; see `schemas.image_quality`.

    The image is decoded whole: enlarging, noise and blocks show only at the stored size. Tones are of all pixels,
    colours of the image reduced to about 256 px, the rest of its middle, at most 1,024 px a side.
    `ImageFacts` has blur and entropy. Each idea has a filter of its own; put cheap filters before this.
    Source: noise by Immerkaer 1996; colourfulness by Hasler and Suesstrunk 2003; JPEG quality as libjpeg scales the
    tables of Annex K; the others are ours, measured by `python -m nano.evaluate.quality`.
    """

    version: ClassVar[int] = 1
    needs: ClassVar[tuple[str, ...]] = ()
    adds: ClassVar[pa.Schema] = IMAGE_QUALITY
    pixels: ClassVar[int] = 0
    resources: Resources = field(default=Resources(batch_rows=16), repr=False, compare=False)

    def check(self) -> None:
        """Nothing is missing: it needs no extra."""

    def load(self) -> Scorer:
        """Return the scorer; there is nothing to load."""
        return measure


def measure(batch: Batch) -> Measurement:
    """Return every column of `IMAGE_QUALITY` for n images."""
    rows = [quality(image, payload) for image, payload in zip(batch.images, batch.payloads, strict=True)]
    return Measurement({name: [row[name] for row in rows] for name in IMAGE_QUALITY.names})


def quality(image: Pixels, payload: bytes) -> dict[str, float | int | None]:
    """Return the measures of one image by name of column."""
    picture = Image.fromarray(image)
    luma = np.asarray(picture.convert("L"))
    part = middle(luma)
    small = picture.reduce(max(1, min(picture.size) // COLOUR_PX))
    return {
        **tone(luma),
        **chroma(np.asarray(small)),
        "image_noise": noise_sigma(part),
        "image_detail_frac": detail_frac(part),
        "image_blockiness": blockiness(part),
        "jpeg_quality": jpeg_quality(payload),
    }


def jpeg_quality(payload: bytes) -> int | None:
    """Return the quality, 1 to 100, at which libjpeg would quantise the luma as this JPEG's tables do; null: no JPEG.

    >>> buffer = io.BytesIO()
    >>> Image.new("RGB", (8, 8)).save(buffer, "JPEG", quality=30)
    >>> jpeg_quality(buffer.getvalue())
    30
    """
    if sniff(payload) != "jpeg":
        return None
    try:
        tables = JpegImageFile(io.BytesIO(payload)).quantization
    except (OSError, SyntaxError, ValueError, IndexError, KeyError):  # decoded all the same: by another decoder
        return None
    if not tables:
        return None
    return int(np.abs(TOTALS - sum(tables[min(tables)])).argmin()) + 1


def _totals() -> npt.NDArray[np.int64]:
    """Return the sum of the steps that libjpeg makes of the standard table at the qualities 1 to 100."""
    scales = [5000 // quality if quality < 50 else 200 - 2 * quality for quality in range(1, 101)]
    return np.array([np.clip((STANDARD * scale + 50) // 100, 1, 255).sum() for scale in scales])


TOTALS: Final = _totals()
