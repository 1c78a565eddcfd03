"""Fingerprints as arrays: their parts, how much they show, and whether plain ones are the same."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

__all__ = ["Fingerprints", "blur", "same_plain"]

SIDE, CHROMA = 32, 8
BROAD = 4.0  # px: what is broader than this is light and shade, not detail
LEVELS = 4.0  # by which the luma of plain pictures may differ, anywhere; half of it on average
CHROMA_LEVELS = 4.0
ASPECT = 0.04  # by which sides may differ

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Fingerprints:
    """What `ImageFingerprint` measured of n images.

    `luma` uint8[n, 32, 32], `chroma` uint8[n, 2, 8, 8], `aspect` float32[n].
    """

    luma: npt.NDArray[np.uint8]
    chroma: npt.NDArray[np.uint8]
    aspect: npt.NDArray[np.float32]

    @classmethod
    def of_bytes(cls, data: npt.NDArray[np.uint8], aspect: npt.NDArray[np.float32]) -> "Fingerprints":
        """Take them from uint8[n, 1152], as the column `image_fingerprint` holds them."""
        luma = data[:, : SIDE * SIDE].reshape(-1, SIDE, SIDE)
        return cls(luma, data[:, SIDE * SIDE :].reshape(-1, 2, CHROMA, CHROMA), aspect)

    def __len__(self) -> int:
        return len(self.luma)

    def take(self, rows: npt.NDArray[np.int64] | slice) -> "Fingerprints":
        """Return some of them."""
        return Fingerprints(self.luma[rows], self.chroma[rows], self.aspect[rows])

    def detail(self) -> tuple[Floats, Floats]:
        """Return the luma without what is broad, float32[n, 32, 32], and its root mean square, float32[n]."""
        luma = self.luma.astype(np.float32)
        fine = luma - blur(luma, BROAD)
        return fine, np.sqrt(np.mean(fine * fine, axis=(1, 2)))


def blur(images: Floats, sigma: float) -> Floats:
    """Return float32[n, h, w] smoothed by a Gaussian; edges are continued."""
    reach = int(3 * sigma + 0.5)
    weights = np.exp(-(np.arange(-reach, reach + 1, dtype=np.float64) ** 2) / (2 * sigma**2))
    weights = (weights / weights.sum()).astype(np.float32)
    height, width = images.shape[1:]
    padded = np.pad(images, ((0, 0), (reach, reach), (reach, reach)), mode="edge")
    rows = np.zeros((len(images), height, padded.shape[2]), np.float32)
    for i, weight in enumerate(weights):
        rows += weight * padded[:, i : i + height]
    smooth = np.zeros(images.shape, np.float32)
    for i, weight in enumerate(weights):
        smooth += weight * rows[:, :, i : i + width]
    return smooth


def same_plain(first: Fingerprints, second: Fingerprints) -> npt.NDArray[np.bool_]:
    """Tell of n pairs whether they look the same as they are: not mirrored, cropped or with other colours.

    For pictures without detail, of which a correlation says nothing.
    """
    luma = np.abs(first.luma.astype(np.float32) - second.luma.astype(np.float32))
    blocks = luma.reshape(-1, CHROMA, 4, CHROMA, 4).mean(axis=(2, 4))
    chroma = np.abs(first.chroma.astype(np.float32) - second.chroma.astype(np.float32))
    aspect = np.abs(np.log(np.maximum(first.aspect, 1e-6)) - np.log(np.maximum(second.aspect, 1e-6)))
    near = (blocks.max(axis=(1, 2)) <= LEVELS) & (luma.mean(axis=(1, 2)) <= LEVELS / 2)
    return np.asarray(near & (chroma.max(axis=(1, 2, 3)) <= CHROMA_LEVELS) & (aspect <= ASPECT), dtype=bool)
