"""Stir numbers: hashes that are the same on every machine."""

import hashlib

import numpy as np
import numpy.typing as npt

__all__ = ["hash_rows", "hash_text", "mixed"]

U64 = npt.NDArray[np.uint64]


def mixed(values: U64) -> U64:
    """Return values with all bits stirred, so that equal ones stay equal: the last steps of splitmix64."""
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))


def hash_text(text: str) -> np.uint64:
    """Return a number for a text.

    >>> int(hash_text("en")) % 1000
    304
    """
    return np.uint64(int.from_bytes(hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest()))


def hash_rows(words: U64, seed: int) -> U64:
    """Return a number for each row of integers, uint64[n, k], evenly spread over 64 bits: a lot drawn for each uid."""
    result = np.full(len(words), hash_text(f"seed {seed}"))
    for column in words.T:
        result = mixed(result ^ column)
    return result
