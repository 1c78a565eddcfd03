"""Pairs of hashes that differ in few bits, all of them: multi-index hashing."""

import math
from collections.abc import Iterator
from itertools import combinations
from typing import Final

import numpy as np
import numpy.typing as npt

__all__ = ["find_near_hashes"]

Hashes = npt.NDArray[np.uint64]
Pairs = npt.NDArray[np.int64]

CROWDED: Final = 1_024  # hashes with one value of a key: past it, they are cut by the bits of other bands
AT_ONCE: Final = 1 << 22  # comparisons
SORT: Final = 15  # comparisons that putting one hash in its place costs
MOST_AGREE: Final = 4


def find_near_hashes(hashes: Hashes, radius: int) -> Pairs:
    """Return the pairs of uint64[n] that differ in at most `radius` bits, int64[m, 2], each once, in order.

    Exact: of radius + k bands of bits, at least k are equal in such a pair; k grows with n, so that few hashes share a
    key of k bands. Equal hashes are compared once, and each is paired with the first of them alone: that connects them,
    and many equal ones (plain pictures) cost nothing. Memory is about 130 bytes a hash and 50 a pair.
    Source: Norouzi et al. 2012, "Fast Search in Hamming Space with Multi-Index Hashing"; keys of several bands as in
    Manku et al. 2007, "Detecting Near-Duplicates for Web Crawling".

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
    ordered: Pairs = pairs[np.lexsort((pairs[:, 1], pairs[:, 0]))]
    return ordered


def _search(hashes: Hashes, rows: Pairs, radius: int, bits: tuple[int, ...]) -> Iterator[Pairs]:
    """Yield near pairs of rows, each once; `bits` are those in which the hashes of the rows may differ."""
    agree = _bands_that_agree(len(rows), radius, len(bits))
    bands = [bits[i :: radius + agree] for i in range(radius + agree)]
    for chosen in combinations(range(len(bands)), agree):
        same = tuple(bit for i in chosen for bit in bands[i])
        rest = tuple(bit for bit in bits if bit not in same)
        earlier = [_mask(bands[i]) for i in range(chosen[-1]) if i not in chosen]
        for pairs in _agreeing(hashes, rows, radius, _mask(same), rest):
            differing = hashes[pairs[:, 0]] ^ hashes[pairs[:, 1]]
            here = np.ones(len(pairs), bool)
            for band in earlier:  # a pair that agrees in one of these too is found with it
                here &= differing & band != 0
            yield pairs[here]


def _bands_that_agree(count: int, radius: int, bits: int) -> int:
    """Return how many bands make a key: what costs least for so many even hashes."""

    def cost(agree: int) -> float:
        in_key = bits * agree / (radius + agree)
        return math.comb(radius + agree, agree) * (SORT + count / 2 ** (in_key + 1))

    return min(range(1, max(1, min(MOST_AGREE, bits - radius)) + 1), key=cost)


def _mask(bits: tuple[int, ...]) -> np.uint64:
    return np.uint64(sum(1 << bit for bit in bits))


def _agreeing(hashes: Hashes, rows: Pairs, radius: int, same: np.uint64, rest: tuple[int, ...]) -> Iterator[Pairs]:
    """Yield near pairs of rows that have the same bits under a mask; `rest` are those in which they may differ."""
    key = hashes[rows] & same
    order = np.argsort(key)
    key, ordered = key[order], rows[order]
    starts = np.flatnonzero(np.concatenate([[True], key[1:] != key[:-1]]))[: len(key)]
    sizes = np.diff(np.append(starts, len(key)))
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
