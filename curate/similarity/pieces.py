"""An array in several pieces, read by position."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["Pieces", "join_pieces"]


@dataclass(frozen=True, slots=True)
class Pieces:
    """Arrays of one kind that count as one, each maybe mapped into memory from a file; `starts` int64[len(arrays)]."""

    arrays: tuple[npt.NDArray[Any], ...]
    starts: npt.NDArray[np.int64]

    def __getitem__(self, rows: npt.NDArray[np.int64]) -> npt.NDArray[Any]:
        """Return the rows at these positions, in the order in which they are asked for."""
        if len(self.arrays) == 1:
            return self.arrays[0][rows]
        first = self.arrays[0]
        result = np.empty((len(rows), *first.shape[1:]), first.dtype)
        piece = np.searchsorted(self.starts, rows, side="right") - 1
        for number in np.unique(piece):
            here = piece == number
            result[here] = self.arrays[number][rows[here] - self.starts[number]]
        return result


def join_pieces(arrays: Sequence[npt.NDArray[Any]]) -> Pieces:
    """Return at least one array as pieces of one.

    >>> join_pieces([np.array([1, 2]), np.array([3])])[np.array([2, 0])].tolist()
    [3, 1]
    """
    some = [each for each in arrays if len(each)] or list(arrays[:1])
    lengths = [len(each) for each in some]
    return Pieces(tuple(some), np.cumsum([0, *lengths[:-1]]).astype(np.int64))
