"""Sort keys as words of 64 bits, so that samples of any number are put in one exact order, ties by uid."""

from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from curate.errors import ContractError

__all__ = ["Words", "cut_positions", "ordered_bits", "sort_order", "splitters", "uid_words"]

Words = npt.NDArray[np.uint64]
"""uint64[n, k]: a row is a sort key, its first word counts most."""

SIGN: Final = np.uint64(1 << 63)
BLOCK_ROWS: Final = 1 << 18


def ordered_bits(values: npt.NDArray[Any]) -> npt.NDArray[np.uint64]:
    """Return unsigned integers in the order of numbers (floats without NaN, integers, or truths), uint64[n].

    >>> ordered_bits(np.array([-1.5, -0.0, 0.0, 2.0])).argsort(kind="stable").tolist()
    [0, 1, 2, 3]
    """
    if values.dtype.kind == "u":
        return values.astype(np.uint64)
    if values.dtype.kind in "ib":
        return values.astype(np.int64).view(np.uint64) ^ SIGN
    bits = (values.astype(np.float64) + 0.0).view(np.uint64)  # -0.0 and 0.0 are one number
    return np.where(bits & SIGN, ~bits, bits | SIGN)


def uid_words(uids: pa.Array | pa.ChunkedArray) -> Words:
    """Return uids, which are 32 hexadecimal digits, as numbers in the order of their texts, uint64[n, 2].

    Raises ContractError for a uid of another form.

    >>> uid_words(pa.array([f"{1:032x}"])).tolist()
    [[0, 1]]
    """
    array = uids.combine_chunks() if isinstance(uids, pa.ChunkedArray) else uids
    parts = [_words(array.slice(start, BLOCK_ROWS)) for start in range(0, len(array), BLOCK_ROWS)]
    return np.concatenate([np.zeros((0, 2), np.uint64), *parts])


def _words(uids: pa.Array) -> Words:
    digits = "".join(uids.to_pylist())
    try:
        data = bytes.fromhex(digits)
    except ValueError:
        data = b""
    if data.hex() != digits or not set(pc.unique(pc.binary_length(uids)).to_pylist()) <= {32}:
        raise ContractError("a uid is not 32 hexadecimal digits, by which samples with equal scores are put in order")
    return np.frombuffer(data, ">u8").astype(np.uint64).reshape(-1, 2)


def sort_order(words: Words) -> npt.NDArray[np.int64]:
    """Return the positions of the rows in ascending order, int64[n]."""
    return np.asarray(np.lexsort(words.T[::-1]), np.int64)


def splitters(sample: Words, parts: int) -> Words:
    """Return up to `parts` - 1 keys that cut a sorted sample into parts of about equal size."""
    ordered = sample[sort_order(sample)]
    at = np.arange(1, parts) * len(ordered) // parts
    return ordered[at] if len(ordered) else ordered


def cut_positions(words: Words, keys: Words) -> npt.NDArray[np.int64]:
    """Return how many rows of sorted `words` are smaller than each of `keys`, int64[m]."""
    columns = np.ascontiguousarray(words.T)
    return np.array([_smaller(columns, key) for key in keys], np.int64)


def _smaller(columns: Words, key: npt.NDArray[np.uint64]) -> int:
    start, stop = 0, columns.shape[1]
    for column, word in zip(columns, key, strict=True):
        first, after = (int(np.searchsorted(column[start:stop], word, side)) for side in ("left", "right"))
        start, stop = start + first, start + after
    return start
