"""Find faint patterns that repeat all over an image, as the watermarks of picture agencies do."""

from dataclasses import dataclass, field
from typing import ClassVar, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from PIL import Image, ImageFilter

from curate.pixels import probe
from curate.stages import Batch, Measurement, Pixels, Resources, Scorer
from schemas.tiled_watermark import TILED_WATERMARK

__all__ = ["TiledWatermark", "repetition"]

SIDE: Final = 512  # px: the longest side of what is looked at
FAINT: Final = (
    10.0  # luma levels: differences to the surroundings count up to this, so that edges of things do not rule
)
NEAREST: Final = 24  # px at that size: anything nearer repeats within letters, textures and grids
ALONE: Final = 8  # px: how far around a match has to stand out
NEXT: Final = 3  # px: how wide a match is
TURNED: Final = 0.3  # how well a chessboard matches its negative, at least
CANDIDATES: Final = 16


@dataclass(frozen=True)
class TiledWatermark:
    """Add how strongly a faint pattern repeats, and at which distance; see `schemas.tiled_watermark`.

    The luma, at most 512 px a side, less its surroundings, is laid over itself at every distance (autocorrelation). A
    text or logo in tiles matches at one distance and not beside it; stripes match all along a line, which does not
    count. A single watermark is not found, nor tiles of which fewer than two by one are whole.
    Source: ours; the measure is the textbook autocorrelation. What it finds, and takes for one, is in docs/quality.md.
    """

    version: ClassVar[int] = 1
    needs: ClassVar[tuple[str, ...]] = ()
    adds: ClassVar[pa.Schema] = TILED_WATERMARK
    pixels: ClassVar[int] = SIDE
    luma: ClassVar[bool] = True
    resources: Resources = field(default=Resources(), repr=False, compare=False)

    def check(self) -> None:
        """Nothing is missing: it needs no extra."""

    def load(self) -> Scorer:
        """Return the scorer; there is nothing to load."""
        return measure


def measure(batch: Batch) -> Measurement:
    """Return score and distance for n images."""
    scores, distances = [], []
    for image, payload in zip(batch.images, batch.payloads, strict=True):
        picture = Image.fromarray(image).convert("L")
        picture.thumbnail((SIDE, SIDE), Image.Resampling.BOX)
        score, (across, down) = repetition(np.asarray(picture))
        header = probe(payload)
        scale = header.width_px / picture.width, header.height_px / picture.height
        scores.append(score)
        distances.append([round(across * scale[0]), round(down * scale[1])] if score > 0 else None)
    return Measurement({"watermark_tile_score": scores, "watermark_tile_px": distances})


def repetition(luma: Pixels) -> tuple[float, tuple[int, int]]:
    """Return how much the best match of a luma with itself stands out, 0 to 1, and its distance right and down."""
    height, width = luma.shape
    if min(height, width) < 3 * NEAREST:
        return 0.0, (0, 0)
    around = np.asarray(Image.fromarray(luma).filter(ImageFilter.BoxBlur(4)), np.float32)
    fine = np.clip(luma.astype(np.float32) - around, -FAINT, FAINT)
    fine -= fine.mean()
    matches = _matches(fine)
    best, at = 0.0, (0, 0)
    for down, across in _peaks(matches):
        if (alone := float(matches[down, across]) - _beside(matches, down, across)) > best:
            best, at = alone, (across - width // 2, down)
    return min(1.0, best), at


def _matches(fine: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    """Return the correlation at distances down 0 to h/2 (rows) and across -w/2 to w/2 (columns); float64[r, c].

    Each is over the pixels that lie over each other there.
    """
    height, width = fine.shape
    spectrum = np.fft.rfft2(fine, s=(2 * height, 2 * width))
    products = np.fft.irfft2(np.abs(spectrum) ** 2, s=(2 * height, 2 * width))
    downs, acrosses = np.arange(height // 2 + 1), np.arange(-(width // 2), width // 2 + 1)
    shared = (height - downs)[:, None] * (width - np.abs(acrosses))[None, :]
    energy = float((fine.astype(np.float64) ** 2).mean())
    together: npt.NDArray[np.float64] = products[np.ix_(downs, acrosses)] / shared
    return np.round(together / max(energy, 1e-6), 6)


def _beside(matches: npt.NDArray[np.float64], down: int, across: int) -> float:
    """Return the best match around a place but not next to it, 0 at least."""
    top, left = max(0, down - ALONE), max(0, across - ALONE)
    around = matches[top : down + ALONE + 1, left : across + ALONE + 1].copy()
    around[
        max(0, down - NEXT) - top : down + NEXT + 1 - top, max(0, across - NEXT) - left : across + NEXT + 1 - left
    ] = 0
    return max(0.0, float(around.max()))


def _peaks(matches: npt.NDArray[np.float64]) -> list[tuple[int, int]]:
    """Return the places of the best matches beyond the nearest, apart from each other.

    None for a pattern that matches its own negative elsewhere: that is a chessboard, or a row of bars.
    """
    free = matches.copy()
    centre = matches.shape[1] // 2
    free[:NEAREST, centre - NEAREST + 1 : centre + NEAREST] = 0
    free[0, :centre] = 0  # a match at no distance down is there twice
    if free.min() < -TURNED:
        return []
    found: list[tuple[int, int]] = []
    for _ in range(CANDIDATES):
        down, across = np.unravel_index(int(free.argmax()), free.shape)
        if free[down, across] <= 0:
            break
        found.append((int(down), int(across)))
        free[max(0, down - ALONE) : down + ALONE + 1, max(0, across - ALONE) : across + ALONE + 1] = 0
    return found
