"""What the pixels of an image say of how it was taken, stored and enlarged: pure functions over luma and RGB."""

from typing import Final

import numpy as np
import numpy.typing as npt

from curate.stages import Pixels

__all__ = ["blockiness", "chroma", "detail_frac", "middle", "noise_sigma", "tone"]

Luma = npt.NDArray[np.uint8]
CROP_PX: Final = 1024  # a side of what is looked at in full detail; it bounds time, whatever the image's size
DARKEST, BRIGHTEST = 6, 249  # luma outside is counted as clipped: JPEG moves black and white by a few levels
GLARE: Final = 220  # from here to white, light runs out: next to white paper there is little of it
BLOCK: Final = 16  # px: a patch that noise is measured in
FLAT: Final = 1.0  # levels squared: less than this is rounding and compression, not detail
GRID: Final = 8  # px: a JPEG block


def tone(luma: Luma) -> dict[str, float]:
    """Return mean, 1st and 99th percentile of luma, and the shares of pixels that are white or nearly so."""
    counts = np.bincount(luma.ravel(), minlength=256).astype(np.int64)
    levels, total = np.arange(256), int(counts.sum())
    rising = np.cumsum(counts)
    return {
        "luma_mean": float(counts @ levels) / total,
        "luma_low": float(np.searchsorted(rising, 0.01 * total)),
        "luma_high": float(np.searchsorted(rising, 0.99 * total)),
        "luma_bright_frac": float(counts[BRIGHTEST + 1 :].sum()) / total,
        "luma_glare_frac": float(counts[GLARE : BRIGHTEST + 1].sum()) / total,
    }


def chroma(image: Pixels) -> dict[str, float]:
    """Return the largest deviation of a channel, the colourfulness, and the spread of colours around one tint.

    Of the opponent axes r - g and (r + g) / 2 - b, the spread is the deviation along the direction in which they vary
    least: 0 for grey, and near 0 for a picture in one tint (sepia), whose colours lie on a line.
    """
    red, green, blue = (image[:, :, i].astype(np.float64).ravel() for i in range(3))
    axes = np.stack([red - green, (red + green) / 2 - blue])
    means, cross = axes.mean(axis=1), np.cov(axes, bias=True)
    least = float(np.linalg.eigvalsh(cross)[0])
    return {
        "rgb_std_max": float(max(red.std(), green.std(), blue.std())),
        "image_colourfulness": float(np.sqrt(np.trace(cross)) + 0.3 * np.sqrt(means @ means)),
        "image_chroma_spread": float(np.sqrt(max(0.0, least))),
    }


def middle(luma: Luma) -> Luma:
    """Return the middle of an image, at most 1,024 px a side."""
    height, width = luma.shape
    top, left = max(0, (height - CROP_PX) // 2), max(0, (width - CROP_PX) // 2)
    return luma[top : top + CROP_PX, left : left + CROP_PX]


def noise_sigma(luma: Luma) -> float:
    """Return the deviation of the noise in luma levels, by the quietest patches; 0.0 where none can be judged.

    A mask that no plane and no straight edge answers to is laid over patches of 16 px; the patch at the 20th percentile
    counts, so that texture elsewhere does not. Patches with clipped pixels on over a tenth are left out.
    Source: Immerkaer 1996, "Fast Noise Variance Estimation"; patches and percentile are ours.
    """
    if min(luma.shape) < BLOCK + 2:
        return 0.0
    wide = luma.astype(np.int32)
    rows = wide[:-2] - 2 * wide[1:-1] + wide[2:]
    answer = np.abs(rows[:, :-2] - 2 * rows[:, 1:-1] + rows[:, 2:])
    clipped = (luma[1:-1, 1:-1] < DARKEST // 2) | (luma[1:-1, 1:-1] > BRIGHTEST + 3)
    means, open_ = _patches(answer), _patches(clipped) < 0.1
    quiet = np.sort(means[open_])
    return float(quiet[len(quiet) // 5] * np.sqrt(np.pi / 2) / 6) if len(quiet) else 0.0


def _patches(values: npt.NDArray[np.generic]) -> npt.NDArray[np.float64]:
    """Return the mean of each whole patch of 16 x 16."""
    height, width = (side // BLOCK for side in values.shape)
    cut = values[: height * BLOCK, : width * BLOCK].reshape(height, BLOCK, width, BLOCK)
    means: npt.NDArray[np.float64] = cut.mean(axis=(1, 3))
    return means


def detail_frac(luma: Luma) -> float:
    """Return up to which share of the highest frequency the image has detail: about 1/s if it was enlarged s times.

    It is the frequency below which 0.9 of the energy of the differences between neighbours lies, less what rounding and
    compression give; the better of rows and columns. Repeated pixels (nearest neighbour, 2 to 4 times) count as what
    they repeat. 1.0 for an image with no detail to judge by.
    """
    return max((found for rows in (luma, luma.T) if (found := _detail(rows)) is not None), default=1.0)


def _detail(rows: Luma) -> float | None:
    if rows.shape[1] < 4 * GRID or not len(rows):
        return None
    steps = np.diff(rows[::2].astype(np.float32), axis=1)
    window = np.hanning(steps.shape[1]).astype(np.float32)
    weight = float((window.astype(np.float64) ** 2).sum())
    power = (np.abs(np.fft.rfft(steps * window, axis=1)) ** 2).mean(axis=0, dtype=np.float64) / weight
    frequency = np.linspace(0, 1, len(power))
    power = np.maximum(power - FLAT * 4 * np.sin(np.pi * frequency / 2) ** 2, 0)
    total = np.cumsum(power)
    if total[-1] < FLAT * len(power):
        return None
    return min(float(frequency[np.searchsorted(total, 0.9 * total[-1])]), _repeats(steps))


def _repeats(steps: npt.NDArray[np.float32]) -> float:
    """Return 1/s if pixels repeat s times: all steps but every s-th are next to nothing; else 1.0."""
    energy = (steps.astype(np.float64) ** 2).mean(axis=0)
    for times in (4, 3, 2):
        phases = np.sort(energy[: len(energy) // times * times].reshape(-1, times).mean(axis=0))
        if phases[-1] > 0 and phases[:-1].max() < 0.2 * phases[-1]:
            return 1 / times
    return 1.0


def blockiness(luma: Luma) -> float:
    """Return how much larger steps across an 8 px grid are than other steps: 1.0 without a grid, more with one.

    The grid may begin anywhere; both directions have to show it, and the weaker counts. Steps over 16 levels count as
    16: they are edges of things.
    """
    return min(_grid(luma), _grid(luma.T))


def _grid(rows: Luma) -> float:
    if rows.shape[1] < 4 * GRID or not len(rows):
        return 1.0
    steps = np.minimum(np.abs(np.diff(rows.astype(np.int16), axis=1)), 16).mean(axis=0, dtype=np.float64)
    phases = np.sort(steps[: len(steps) // GRID * GRID].reshape(-1, GRID).mean(axis=0))
    return float((phases[-1] + 1) / (np.median(phases[:-1]) + 1))  # 1: what next to no other steps are worth
