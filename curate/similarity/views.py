"""Views of a small luma picture (the whole, crops, halves, mirrored, turned), and the keys they are looked up by."""

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

__all__ = ["CROPS", "HALVES", "KEY_BITS", "TURNED", "View", "keys", "probes", "signs", "spectra"]

SIDE: Final = 32
WAVES: Final = 8  # frequencies in each direction, 0 to 7
KEY_BITS: Final = 20
UNSURE: Final = 6  # bits of a key that are tried both ways: those with the weakest frequencies


@dataclass(frozen=True, slots=True)
class View:
    """A part of the picture, edges as fractions of it, maybe seen in a mirror or after a turn by some degrees."""

    left: float = 0.0
    top: float = 0.0
    right: float = 1.0
    bottom: float = 1.0
    mirrored: bool = False
    degrees: int = 0


def _crops() -> tuple[View, ...]:
    """Return the whole and crops of 5, 10, 15 % at even places, of 20 and 30 % in the middle; then all mirrored."""
    places = {0.95: (0.0, 0.05), 0.9: (0.0, 0.05, 0.1), 0.85: (0.0, 0.075, 0.15), 0.8: (0.1,), 0.7: (0.15,)}
    crops = [
        (left, top, left + scale, top + scale) for scale, starts in places.items() for left in starts for top in starts
    ]
    return tuple(View(*edges, mirrored) for mirrored in (False, True) for edges in ((0.0, 0.0, 1.0, 1.0), *crops))


CROPS: Final = _crops()
"""What of one picture may be the whole of another."""

HALVES: Final = (
    View(right=0.5),
    View(left=0.5),
    View(bottom=0.5),
    View(top=0.5),
    View(0.2, 0.2, 0.8, 0.8),
)
"""Parts that may be the same in both where something was laid over the rest."""

TURNED: Final = tuple(View(0.2, 0.2, 0.8, 0.8, degrees=degrees) for degrees in (-3, 3))
"""The middle, as it is after a turn: the last of `HALVES` of another picture."""

_ORDER = sorted(((k, m) for k in range(WAVES) for m in range(WAVES) if k + m), key=lambda at: (sum(at), at))
_KEY = tuple(np.array(each) for each in zip(*_ORDER[:KEY_BITS], strict=True))
_SIGNS = tuple(np.array(each) for each in zip(*[at for at in _ORDER if sum(at) <= 9], strict=True))
_WEIGHT = 1.0 + _KEY[0] + _KEY[1]  # frequencies of natural images fall off with their distance from 0


def spectra(luma: npt.NDArray[np.float32], view: View) -> npt.NDArray[np.float32]:
    """Return the cosine transform of a view of n pictures, float32[n, 8, 8], of luma float32[n, 32, 32].

    A turn is the caller's. Each picture by itself, and rounded to 1/256 of a level, so that signs do not depend on the
    others.
    """
    across, down = _waves(view.left, view.right), _waves(view.top, view.bottom)
    picture = luma[:, :, ::-1] if view.mirrored else luma
    return np.asarray(np.round(np.matmul(np.matmul(down, picture), across.T) * 256) / 256, np.float32)


def _waves(start: float, stop: float) -> npt.NDArray[np.float32]:
    """Return what each px contributes to each frequency of an interval, float32[8, 32]."""
    edges = np.clip((np.linspace(0, 1, SIDE + 1) - start) / (stop - start), 0, 1)
    angle = np.pi * np.arange(1, WAVES)[:, None] * edges
    rest = np.diff(np.sin(angle), axis=1) / (np.pi * np.arange(1, WAVES)[:, None])
    return np.asarray(np.concatenate([np.diff(edges)[None], rest]), np.float32)


def keys(spectrum: npt.NDArray[np.float32]) -> npt.NDArray[np.int32]:
    """Return the signs of the 20 lowest frequencies as numbers, int32[n]."""
    return _packed(spectrum[:, _KEY[0], _KEY[1]] > 0)


def _packed(bits: npt.NDArray[np.bool_]) -> npt.NDArray[np.int32]:
    return (bits @ (1 << np.arange(bits.shape[1]))).astype(np.int32)


def probes(spectrum: npt.NDArray[np.float32]) -> npt.NDArray[np.int32]:
    """Return the 64 keys under which near-duplicates are, int32[n, 64]: the weakest 6 signs either way."""
    values = spectrum[:, _KEY[0], _KEY[1]]
    weakest = np.argsort(np.abs(values) * _WEIGHT, axis=1, kind="stable")[:, :UNSURE]
    flips = (1 << weakest).astype(np.int32)
    chosen = (np.arange(1 << UNSURE)[:, None] >> np.arange(UNSURE) & 1).astype(np.int32)
    return _packed(values > 0)[:, None] ^ (flips @ chosen.T).astype(np.int32)


def signs(spectrum: npt.NDArray[np.float32]) -> npt.NDArray[np.uint64]:
    """Return the signs of 48 frequencies as bits, uint64[n]."""
    bits = spectrum[:, _SIGNS[0], _SIGNS[1]] > 0
    packed = np.packbits(np.pad(bits, ((0, 0), (0, 64 - bits.shape[1]))), axis=1)
    return np.ascontiguousarray(packed).view(np.uint64).ravel()
