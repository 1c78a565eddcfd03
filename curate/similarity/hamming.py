"""Pairs of hashes that differ in few bits, all of them: multi-index hashing."""

from collections.abc import Iterator
from typing import Final

import numpy as np
import numpy.typing as npt

__all__ = ["find_near_hashes"]

Hashes = npt.NDArray[np.uint64]
Pairs = npt.NDArray[np.int64]

CROWDED: Final = 1_024  # hashes with one value of a band: past it, they are cut by the bits of other bands
AT_ONCE: Final = 1 << 22  # comparisons


def find_near_hashes(hashes: Hashes, radius: int) -> Pairs:
    """Return the pairs of uint64[n] that differ in at most `radius` bits, int64[m, 2], each once, in order.

    Exact: of radius + 1 bands of bits, at least one is equal in such a pair. Equal hashes are compared once, and each
    is paired with the first of them alone: that connects them, and many equal ones (plain pictures) cost nothing.
    Memory is about 150 bytes a hash and 32 a pair; time grows with n * n / 2 ** (64 / (radius + 1)) for even hashes.
    Source: Norouzi et al. 2012, "Fast Search in Hamming Space with Multi-Index Hashing".

    >>> find_near_hashes(np.array([0b1111, 0b0111, 0b1111, 1 << 40], np.uint64), 1).tolist()
    [[0, 1], [0, 2]]
    """
    if not 0 <= radius <= 31:
        raise ValueError(f"radius={radius}: give 0 to 31 bits")
    different, first, inverse = np.unique(hashes, return_index=True, return_inverse=True)
    again = np.flatnonzero(first[inverse] != np.arange(len(hashes)))
    equal = np.column_stack([first[inverse[again]], again])
    found = [first[part] for part in _search(different, np.arange(len(different)), radius, tuple(range(64)))]
    pairs = np.sort(np.concatenate([equal, *found]).astype(np.int64), axis=1)
    return np.unique(pairs, axis=0) if len(pairs) else pairs.reshape(0, 2)


def _search(hashes: Hashes, rows: Pairs, radius: int, bits: tuple[int, ...]) -> Iterator[Pairs]:
    """Yield pairs of rows, maybe twice; `bits` are those in which the hashes of the rows may differ."""
    bands = [bits[i :: radius + 1] for i in range(radius + 1)]
    for band in bands:
        rest = tuple(bit for bit in bits if bit not in band)
        mask = np.uint64(sum(1 << bit for bit in band))
        key = hashes[rows] & mask
        order = np.argsort(key, kind="stable")
        key, ordered = key[order], rows[order]
        starts = np.flatnonzero(np.concatenate([[True], key[1:] != key[:-1]]))[: len(key)]
        sizes = np.diff([*starts.tolist(), len(key)])
        crowded = sizes > CROWDED if len(rest) > radius else np.zeros(len(sizes), bool)
        for start, size in zip(starts[crowded].tolist(), sizes[crowded].tolist(), strict=True):
            yield from _search(hashes, ordered[start : start + size], radius, rest)
        last = np.repeat(np.where(crowded, starts, starts + sizes), sizes)
        yield from _compare(hashes[ordered], ordered, last, radius)


def _compare(hashes: Hashes, rows: Pairs, last: Pairs, radius: int) -> Iterator[Pairs]:
    """Yield near pairs of each row with those behind it, up to `last` of it."""
    at = np.arange(len(rows))
    step = 1
    while len(at := at[at + step < last[at]]):
        for begin in range(0, len(at), AT_ONCE):
            here = at[begin : begin + AT_ONCE]
            near = here[np.bitwise_count(hashes[here] ^ hashes[here + step]) <= radius]
            if len(near):
                yield np.column_stack([rows[near], rows[near + step]])
        step += 1
