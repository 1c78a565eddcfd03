"""Find the nearest of many vectors by cosine: exact, the same on every machine, block by block."""

from collections.abc import Callable
from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt

__all__ = ["cosines", "nearest", "unit_vectors"]

F32 = npt.NDArray[np.float32]
F64 = npt.NDArray[np.float64]
I64 = npt.NDArray[np.int64]

DOUBT: Final = 3e-5
"""Cosines of unit vectors in single precision are off by less than this, whatever library, threads or device."""

SCORES_AT_ONCE: Final = 1 << 23

Top: TypeAlias = Callable[[F32, "I64 | None"], tuple[I64, npt.NDArray[np.bool_]]]
"""For a block of queries: the best key of each by single precision, and whether another comes close."""


def unit_vectors(vectors: npt.NDArray[Any]) -> F32:
    """Return vectors of length 1, float32[n, d]; one without a direction (zero, infinite, NaN) becomes all NaN.

    >>> unit_vectors(np.array([[3, 4], [0, 0]], np.float16)).tolist()
    [[0.6000000238418579, 0.800000011920929], [nan, nan]]
    """
    result = vectors.astype(np.float32)
    with np.errstate(all="ignore"):
        lengths = np.sqrt(np.einsum("ij,ij->i", result, result, dtype=np.float64))
        result /= lengths[:, None].astype(np.float32)
    result[~np.isfinite(lengths) | (lengths == 0)] = np.nan
    return result


def nearest(queries: F32, keys: F32, before: I64 | None = None, device: str = "cpu") -> I64:
    """Return for each query the key of the highest cosine, int64[m]; of equal ones the first.

    `queries` float32[m, d] and `keys` float32[k, d] are unit vectors; with `before` int64[m] only `keys[:before[i]]`
    count for query i, and one that has none gets -1. Products are formed in single precision; where a second key comes
    close, the choice is made in double precision, so it depends on no library, thread or device.
    Memory: about 100 MB beside what is given; on a GPU `keys` besides.

    >>> keys = unit_vectors(np.array([[1, 0], [1, 1], [1, 1]]))
    >>> nearest(unit_vectors(np.array([[2, 0], [1, 2]])), keys).tolist()
    [0, 1]
    >>> nearest(keys, keys, before=np.arange(3)).tolist()
    [-1, 0, 1]
    """
    index = np.full(len(queries), -1)
    if not len(keys) or not len(queries):
        return index
    top = _top_on_cpu(keys) if device == "cpu" else _top_on_gpu(keys, device)
    rows = max(1, min(4096, SCORES_AT_ONCE // len(keys)))
    for first in range(0, len(queries), rows):
        block = queries[first : first + rows]
        limits = None if before is None else before[first : first + rows]
        best, doubtful = top(block, limits)
        for row in np.flatnonzero(doubtful):
            best[row] = _best_exactly(block[row], keys if limits is None else keys[: limits[row]])
        index[first : first + rows] = best if limits is None else np.where(limits > 0, best, -1)
    return index


def cosines(left: F32, right: F32) -> F64:
    """Return the cosine of unit vectors row by row, float64[n], in double precision: the same beside any other rows."""
    return np.concatenate([np.empty(0), *(_dot_block(left, right, i) for i in range(0, len(left), 1024))])


def _dot_block(left: F32, right: F32, first: int) -> F64:
    a, b = (each[first : first + 1024].astype(np.float64) for each in (left, right))
    products: F64 = np.einsum("ij,ij->i", a, b)
    return products


def _best_exactly(query: F32, keys: F32) -> int:
    scores = keys @ query
    close = np.flatnonzero(scores >= scores.max() - 2 * DOUBT)
    exact = cosines(np.broadcast_to(query, (len(close), len(query))), keys[close])
    return int(close[exact.argmax()])


def _top_on_cpu(keys: F32) -> Top:
    def top(block: F32, limits: I64 | None) -> tuple[I64, npt.NDArray[np.bool_]]:
        scores = block @ keys.T
        if limits is not None:
            scores[np.arange(len(keys)) >= limits[:, None]] = -2
        every, best = np.arange(len(block)), scores.argmax(axis=1)
        highest = scores[every, best]
        scores[every, best] = -2
        return best, scores.max(axis=1) >= np.maximum(highest - DOUBT, -1.5)

    return top


def _top_on_gpu(keys: F32, device: str) -> Top:
    import torch

    there = torch.from_numpy(np.array(keys)).to(device)  # a copy: torch warns of mapped files, which cannot be written

    def top(block: F32, limits: I64 | None) -> tuple[I64, npt.NDArray[np.bool_]]:
        scores = torch.from_numpy(np.ascontiguousarray(block)).to(device) @ there.T
        if limits is not None:
            beyond = torch.arange(len(keys), device=device) >= torch.from_numpy(limits).to(device)[:, None]
            scores.masked_fill_(beyond, -2)
        highest, best = scores.max(dim=1)
        scores.scatter_(1, best[:, None], -2)
        doubtful = scores.max(dim=1).values >= (highest - DOUBT).clamp_min(-1.5)
        return best.cpu().numpy(), doubtful.cpu().numpy()

    return top
