"""Find texts that are nearly the same: MinHash signatures, bands, and the true Jaccard of what they bring together."""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np
import numpy.typing as npt

from curate.similarity.components import connect
from curate.similarity.mixing import hash_text, mixed
from curate.similarity.pieces import Pieces
from curate.similarity.shingles import HASH_BITS, I64, U64, Shingles

__all__ = ["Bands", "Keys", "Sketches", "choose_bands", "find_similar_texts", "jaccard", "sketch"]

BITMAP_WORDS: Final = 8
PAIRS_AT_ONCE: Final = 1 << 16
SHINGLES_AT_ONCE: Final = 1 << 21
FOLLOWERS: Final = 1_000
"""Texts after it that a text of a bucket is compared with: all of them in buckets that are no larger."""


@dataclass(frozen=True, slots=True)
class Bands:
    """How signatures are cut: texts become candidates when all `rows` minima of one of `count` bands agree.

    Two texts of Jaccard j are brought together with probability 1 - (1 - j**rows)**count.

    >>> round(Bands(21, 6).recall(0.8), 3)
    0.998
    """

    count: int
    rows: int

    def recall(self, similarity: float) -> float:
        """Return the share of pairs of that Jaccard that become candidates."""
        return float(1 - (1 - similarity**self.rows) ** self.count)


def choose_bands(similarity: float, permutations: int = 128, recall: float = 0.99) -> Bands:
    """Return the longest bands of at most `permutations` minima that find pairs at `similarity` with `recall`.

    Pairs above it are found more often still. Longer bands bring fewer pairs together for nothing.

    >>> choose_bands(0.8), choose_bands(0.5)
    (Bands(count=21, rows=6), Bands(count=42, rows=3))
    """
    fitting = [Bands(permutations // rows, rows) for rows in range(1, permutations + 1)]
    return next((bands for bands in reversed(fitting) if bands.recall(similarity) >= recall), fitting[0])


class Keys(Protocol):
    """The keys of one band after another: a list of arrays, or what reads them when they are asked for."""

    def __len__(self) -> int: ...
    def __getitem__(self, band: int, /) -> U64: ...


@dataclass(frozen=True, slots=True)
class Sketches:
    """What n texts are compared by before their n-grams are; 8 * (bands + 10) bytes a text.

    `keys`, uint64[n] for each band, are equal where a band of two texts is; `contents` uint64[n] where all their
    n-grams are; `bitmaps` uint64[n, 8] have a bit set for each n-gram; `counts` int64[n] are the distinct n-grams, 0
    for a text that has none, which is like no other.
    """

    keys: Keys
    contents: U64
    bitmaps: U64 | Pieces
    counts: I64


def sketch(shingles: Shingles, languages: npt.NDArray[np.uint64], bands: Bands) -> Sketches:
    """Return the sketches of texts; `languages` uint64[n]: only texts of the same number are brought together.

    The permutations are fixed, so a text has the same sketch on every machine.
    """
    some = np.flatnonzero(shingles.counts)
    starts = shingles.offsets[some]
    values = np.asarray(shingles.values)
    contents = np.zeros(len(languages), np.uint64)
    bitmaps = np.zeros((len(languages), BITMAP_WORDS), np.uint64)
    keys = np.zeros((bands.count, len(languages)), np.uint64)
    if len(some):
        ids = mixed(languages[some] + np.uint64(1))
        contents[some] = np.add.reduceat(mixed(values), starts) ^ ids
        bitmaps[some] = _bitmaps(values, starts)
        for band, key in enumerate(_band_keys(values, starts, ids, bands)):
            keys[band, some] = key
    return Sketches(list(keys), contents, bitmaps, shingles.counts)


def _bitmaps(values: U64, starts: I64) -> U64:
    bits = np.uint64(1) << (values & np.uint64(63))
    words = (values >> np.uint64(6)) % np.uint64(BITMAP_WORDS)
    each = [np.bitwise_or.reduceat(np.where(words == word, bits, 0), starts) for word in range(BITMAP_WORDS)]
    return np.stack(each, axis=1)


def _band_keys(values: U64, starts: I64, seeds: U64, bands: Bands) -> Iterator[U64]:
    """Yield the keys of each band, uint64[k]; minima are those of a * x + b modulo 2**32 with a odd."""
    short, moved = values.astype(np.uint32), np.empty(len(values), np.uint32)
    for band in range(bands.count):
        key = seeds
        for row in range(bands.rows):
            factor, shift = np.array([hash_text(f"permutation {band * bands.rows + row}")]).view(np.uint32)
            np.multiply(short, factor | np.uint32(1), out=moved)
            np.add(moved, shift, out=moved)
            key = mixed(key ^ np.minimum.reduceat(moved, starts).astype(np.uint64))
        yield key


def find_similar_texts(
    shingles: Shingles, sketches: Sketches, similarity: float, bands: Sequence[int] | None = None
) -> I64:
    """Return pairs of texts of at least that Jaccard, int64[k, 2], enough of them to connect all that were found.

    Every pair that comes back is one: its n-grams were compared. Pairs whose texts are connected already are skipped,
    so what is certain is the groups that the pairs make, which do not depend on the order of the texts. `bands` are
    those to look at, for work that is shared: the groups of all parts together are those of one call. A bucket of
    more than 1,001 texts, in the order of their contents, compares each with the 1,000 that follow.
    """
    found, labels = [], np.arange(len(sketches.counts))
    some = np.flatnonzero(sketches.counts)
    order = some[np.argsort(sketches.contents[some], kind="stable")]
    twins = sketches.contents[order][1:] == sketches.contents[order][:-1]
    same = np.stack([order[:-1][twins], order[1:][twins]], axis=1)
    found.append(same[jaccard(shingles, same) == 1.0])
    connect(labels, found[0])
    order = order[labels[order] == order]
    for band in range(len(sketches.keys)) if bands is None else bands:
        for pairs in _bucket_pairs(sketches.keys[band], order, labels):
            likely = pairs[labels[pairs[:, 0]] != labels[pairs[:, 1]]]
            likely = likely[_may_reach(sketches, likely, similarity)]
            if len(likely):
                found.append(likely[jaccard(shingles, likely) >= similarity])
                connect(labels, found[-1])
    return np.concatenate(found)


def _bucket_pairs(keys: U64, order: I64, labels: I64) -> Iterator[I64]:
    """Yield pairs of texts that share a bucket, int64[k, 2], neighbours first; `labels` may change in between."""
    rows = order[np.argsort(keys[order], kind="stable")]
    begins = np.flatnonzero(np.concatenate([[True], keys[rows][1:] != keys[rows][:-1]])) if len(rows) else rows
    lengths = np.diff(np.append(begins, len(rows)))
    several = lengths > 1
    begins, lengths = begins[several], lengths[several]
    for step in range(1, min(FOLLOWERS, int(lengths.max(initial=1)) - 1) + 1):
        if step & (step - 1) == 0:  # drop the buckets that are one group by now
            unlike = _unlike(labels[rows], begins, lengths)
            begins, lengths = begins[unlike], lengths[unlike]
        longer = lengths > step
        begins, lengths = begins[longer], lengths[longer]
        firsts = np.repeat(begins - np.cumsum(lengths - step) + (lengths - step), lengths - step)
        firsts = firsts + np.arange(len(firsts))
        for at in range(0, len(firsts), PAIRS_AT_ONCE):
            left = firsts[at : at + PAIRS_AT_ONCE]
            yield np.stack([rows[left], rows[left + step]], axis=1)


def _unlike(labels: I64, begins: I64, lengths: I64) -> npt.NDArray[np.bool_]:
    """Return for each bucket whether its texts are in more than one group."""
    changes = np.concatenate([[0], np.cumsum(labels[1:] != labels[:-1])]) if len(labels) else labels
    unlike: npt.NDArray[np.bool_] = changes[begins + lengths - 1] != changes[begins]
    return unlike


def _may_reach(sketches: Sketches, pairs: I64, similarity: float) -> npt.NDArray[np.bool_]:
    """Return for each pair whether its bitmaps leave it a Jaccard of at least `similarity`.

    Each bit that differs is an n-gram that one text has and the other lacks.
    """
    left, right = pairs[:, 0], pairs[:, 1]
    total = (sketches.counts[left] + sketches.counts[right]).astype(np.float64)
    differ = np.bitwise_count(sketches.bitmaps[left] ^ sketches.bitmaps[right]).sum(axis=1, dtype=np.int64)
    differ = np.maximum(differ, np.abs(sketches.counts[left] - sketches.counts[right]))
    may: npt.NDArray[np.bool_] = (total - differ) / (total + differ) >= similarity - 1e-9
    return may


def jaccard(shingles: Shingles, pairs: I64) -> npt.NDArray[np.float64]:
    """Return the n-grams that two texts share as a fraction of those that either has, float64[k]; 0.0 without any."""
    totals = (shingles.offsets[pairs + 1] - shingles.offsets[pairs]).sum(axis=1)
    block = np.maximum(np.cumsum(totals) // SHINGLES_AT_ONCE, np.arange(len(pairs)) // PAIRS_AT_ONCE)
    block = np.cumsum(np.concatenate([[False], block[1:] != block[:-1]])) if len(pairs) else block
    edges = np.searchsorted(block, np.arange(block[-1] + 2 if len(block) else 1))
    shared = [_shared(shingles, pairs[a:b]) for a, b in itertools.pairwise(edges.tolist())]
    common = np.concatenate([np.empty(0), *shared])
    fraction: npt.NDArray[np.float64] = common / np.maximum(totals - common, 1)
    return fraction


def _shared(shingles: Shingles, pairs: I64) -> I64:
    """Return how many n-grams each of at most 65,536 pairs shares, int64[k]."""
    starts, ends = shingles.offsets[pairs].ravel(), shingles.offsets[pairs + 1].ravel()
    lengths = ends - starts
    places = np.repeat(starts - np.cumsum(lengths) + lengths, lengths) + np.arange(lengths.sum())
    pair = np.repeat(np.arange(len(pairs)), lengths.reshape(-1, 2).sum(axis=1)).astype(np.uint64)
    keyed = (pair << np.uint64(HASH_BITS)) | shingles.values[places]
    keyed.sort()
    twice = keyed[1:][keyed[1:] == keyed[:-1]]
    return np.bincount((twice >> np.uint64(HASH_BITS)).astype(np.int64), minlength=len(pairs))
