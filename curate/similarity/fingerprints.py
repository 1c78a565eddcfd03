"""Fingerprints as arrays: their parts, how much they show, and whether plain ones are the same."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from schemas.image_fingerprint import CHROMA_SIDE, LUMA_SIDE

__all__ = ["Fingerprints", "blur", "detail_of", "faces", "halve", "same_plain"]

SMALL = 32  # px: side of a face by which pictures are looked up
BROAD = 4.0  # px: what is broader than this is light and shade, not detail
LEVELS = 4.0  # by which the luma of plain pictures may differ, anywhere; half of it on average
CHROMA_LEVELS = 4.0
ASPECT = 0.04  # by which sides may differ
WHOLE = (0, 0, 255, 255)

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Fingerprints:
    """What `ImageFingerprint` measured of n images.

    `luma` uint8[n, 64, 64], `chroma` uint8[n, 2, 16, 16], `box` uint8[n, 4] in 255ths, `aspect` float32[n].
    """

    luma: npt.NDArray[np.uint8]
    chroma: npt.NDArray[np.uint8]
    box: npt.NDArray[np.uint8]
    aspect: npt.NDArray[np.float32]

    @classmethod
    def of_bytes(cls, data: npt.NDArray[np.uint8], aspect: npt.NDArray[np.float32]) -> "Fingerprints":
        """Take them from uint8[n, 4612], as the column `image_fingerprint` holds them."""
        end = 4 + LUMA_SIDE**2
        luma = data[:, 4:end].reshape(-1, LUMA_SIDE, LUMA_SIDE)
        return cls(luma, data[:, end:].reshape(-1, 2, CHROMA_SIDE, CHROMA_SIDE), data[:, :4], aspect)

    def __len__(self) -> int:
        return len(self.luma)

    def take(self, rows: npt.NDArray[np.int64] | slice) -> "Fingerprints":
        """Return some of them."""
        return Fingerprints(self.luma[rows], self.chroma[rows], self.box[rows], self.aspect[rows])

    def edges(self) -> Floats:
        """Return left, top, right and bottom of the boxes as fractions of the sides, float32[n, 4]."""
        return np.asarray(self.box / np.float32(255), np.float32)

    def face(self) -> tuple[Floats, Floats]:
        """Return luma of what is inside the boxes, float32[n, 32, 32], and its width over height, float32[n]."""
        edges = self.edges()
        sides = edges[:, 2:] - edges[:, :2]
        places = (np.arange(LUMA_SIDE, dtype=np.float32) + 0.5) / LUMA_SIDE
        across, down = (
            np.clip((edges[:, i, None] + sides[:, i, None] * places) * LUMA_SIDE - 0.5, 0, LUMA_SIDE - 1.001).astype(
                np.float32
            )
            for i in (0, 1)
        )
        luma = _between(self.luma.astype(np.float32), down, 1)
        return halve(_between(luma, across, 2)), self.face_aspect()

    def face_aspect(self) -> Floats:
        """Return the width over the height of what is inside the boxes, float32[n]."""
        edges = self.edges()
        sides = np.maximum(edges[:, 2:] - edges[:, :2], 1e-3)
        return np.asarray(self.aspect * sides[:, 0] / sides[:, 1], np.float32)


def _between(images: Floats, at: Floats, axis: int) -> Floats:
    """Return n pictures at places between their lines, float32[n, places], along an axis."""
    low = at.astype(np.int64)
    share = np.expand_dims(at - low, 3 - axis)
    first, second = (np.take_along_axis(images, np.expand_dims(low + i, 3 - axis), axis=axis) for i in (0, 1))
    return np.asarray(first * (1 - share) + second * share, np.float32)


def halve(images: Floats) -> Floats:
    """Return n pictures at half the size, each px the mean of four."""
    count, height, width = images.shape
    return np.asarray(images.reshape(count, height // 2, 2, width // 2, 2).mean(axis=(2, 4)), np.float32)


def faces(data: npt.NDArray[np.uint8]) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]:
    """Return fingerprints, uint8[m, 4612], and whose they are: each as it is, and as a whole where it has borders.

    A copy in a frame is found by what is inside, one turned or cut across its ground by the whole.
    """
    framed = np.flatnonzero((data[:, :4] != WHOLE).any(axis=1))
    whole = data[framed]
    whole[:, :4] = WHOLE
    return np.concatenate([data, whole]), np.concatenate([np.arange(len(data)), framed])


def detail_of(face: Floats) -> Floats:
    """Return the root mean square of the detail of n faces in levels, float32[n]."""
    fine = face - blur(face, BROAD)
    return np.asarray(np.sqrt(np.mean(fine * fine, axis=(1, 2))), np.float32)


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
    blocks = halve(halve(luma))
    chroma = halve(np.abs(first.chroma.astype(np.float32) - second.chroma.astype(np.float32)).reshape(-1, 16, 16))
    chroma = chroma.reshape(len(luma), 128).max(axis=1)
    aspect = np.abs(np.log(np.maximum(first.aspect, 1e-6)) - np.log(np.maximum(second.aspect, 1e-6)))
    near = (blocks.max(axis=(1, 2)) <= LEVELS) & (luma.mean(axis=(1, 2)) <= LEVELS / 2)
    return np.asarray(near & (chroma <= CHROMA_LEVELS) & (aspect <= ASPECT), dtype=bool)
