"""Find for each vector the nearest of those before it."""

from typing import Any, Final

import numpy as np
import numpy.typing as npt

from curate.similarity.nearest import F64, I64, cosines, nearest, unit_vectors

__all__ = ["nearest_earlier"]

BLOCK_ROWS: Final = 16_384


def nearest_earlier(vectors: npt.NDArray[Any], device: str = "cpu") -> tuple[I64, F64]:
    """Return for each vector the nearest of those that come before it, and their cosine: int64[n], float64[n].

    `vectors` float[n, d] have directions, of any length; may be half precision. Of equal ones the first. The first
    vector has none: -1 and -1.0. Memory: two blocks of 16,384 vectors in single precision and about 100 MB.

    >>> nearest_earlier(np.array([[1, 0], [0, 1], [2, 0]], np.float16))[0].tolist()
    [-1, 0, 0]
    """
    index, highest = np.full(len(vectors), -1), np.full(len(vectors), -1.0)
    for start in range(0, len(vectors), BLOCK_ROWS):
        keys = unit_vectors(vectors[start : start + BLOCK_ROWS])
        for first in range(start, len(vectors), BLOCK_ROWS):
            queries = keys if first == start else unit_vectors(vectors[first : first + BLOCK_ROWS])
            before = np.clip(np.arange(first, first + len(queries)) - start, 0, len(keys))
            found = nearest(queries, keys, before if first == start else None, device)
            some = np.flatnonzero(found >= 0)
            cosine = cosines(queries[some], keys[found[some]])
            better = (cosine > highest[first + some]) | (index[first + some] < 0)
            at = first + some[better]
            index[at], highest[at] = start + found[some[better]], cosine[better]
    return index, highest
