"""Look up which pictures may show the same: candidates by keys of their views, never all pairs."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

from curate.similarity.alignment import places, sample, turned
from curate.similarity.fingerprints import Fingerprints, detail_of
from curate.similarity.views import CROPS, HALVES, KEY_BITS, TURNED, View, keys, probes, signs, spectra

__all__ = [
    "BYTES_PER_PICTURE",
    "PLAIN",
    "VIEWS",
    "Candidates",
    "Described",
    "Index",
    "describe",
    "find_candidates",
    "make_index",
]

Rows: TypeAlias = npt.NDArray[np.int64]
Bits: TypeAlias = npt.NDArray[np.uint64]

BYTES_PER_PICTURE: Final = 250  # that an index holds, at most: two faces
FARTHEST: Final = 10  # of the 48 signs of a view that may differ
MOST: Final = 64  # candidates of one picture, the nearest: where very many look alike, few of them connect all
AT_ONCE: Final = 4_000_000  # possible candidates that are looked at together
PLAIN: Final = 3.0  # levels of detail, root mean square: below, a picture is compared as it is
PLAIN_STEP, PLAIN_MARGIN = 8.0, 2.0  # levels: cells of colours, and how near to an edge both cells are looked up

VIEWS: Final[tuple[tuple[View, View], ...]] = (
    *((crop, CROPS[0]) for crop in CROPS),
    *((half, half) for half in HALVES),
    *((turn, HALVES[-1]) for turn in TURNED),
)
"""What is compared: a view of the picture that is looked up, with one of the other; both of what their boxes hold."""


@dataclass(frozen=True, slots=True)
class Described:
    """What an index holds of n pictures: keys int32[n, 7] (-1: not under it), signs uint64[n, 6], names uint64[n].

    The first view is the whole, then come the halves; the last key is that of plain pictures. `names` tell pictures
    apart and put equally near ones in order: a digest of each, so that order does not depend on the rows.
    """

    keys: npt.NDArray[np.int32]
    signs: npt.NDArray[np.uint64]
    names: npt.NDArray[np.uint64]


@dataclass(frozen=True, slots=True)
class Table:
    """Rows by key: those with key k are `rows[starts[k]:starts[k + 1]]`."""

    starts: npt.NDArray[np.int64]
    rows: npt.NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class Index:
    """Pictures by the keys of their views, a table for each column of `Described.keys`."""

    tables: tuple[Table, ...]
    described: Described


@dataclass(frozen=True, slots=True)
class Candidates:
    """Pairs: a row of those looked up, a row of the index, the view by which they look alike, and how far apart.

    `view` is an index of `VIEWS`, or -1 for plain pictures that are compared as they are.
    """

    query: npt.NDArray[np.int64]
    row: npt.NDArray[np.int64]
    view: npt.NDArray[np.int64]
    distance: npt.NDArray[np.int64]

    def take(self, rows: Rows | slice) -> "Candidates":
        """Return some of them."""
        return Candidates(self.query[rows], self.row[rows], self.view[rows], self.distance[rows])


def describe(pictures: Fingerprints, names: npt.NDArray[np.uint64]) -> Described:
    """Return the keys and signs of n pictures; some thousand at a time, as each takes 40 kB here."""
    luma, _ = pictures.face()
    plain = detail_of(luma) < PLAIN
    views = [spectra(luma, view) for view in (CROPS[0], *HALVES)]
    whole = np.where(plain[:, None], -1, np.stack([keys(each) for each in views], axis=1))
    alone = np.where(plain[:, None], _plain_keys(pictures, 0.0), -1)
    bits = np.stack([signs(each) for each in views], axis=1)
    return Described(np.concatenate([whole, alone], axis=1).astype(np.int32), bits, names)


def make_index(described: Described) -> Index:
    """Return the index of what `describe` returned."""
    return Index(tuple(_table(key) for key in described.keys.T), described)


def _table(key: npt.NDArray[np.int32]) -> Table:
    rows = np.flatnonzero(key >= 0)
    order = np.argsort(key[rows], kind="stable")
    starts = np.concatenate([[0], np.cumsum(np.bincount(key[rows], minlength=1 << KEY_BITS))])
    return Table(starts, rows[order].astype(np.int32))


def find_candidates(pictures: Fingerprints, names: npt.NDArray[np.uint64], index: Index) -> Candidates:
    """Return what may be near-duplicates of some pictures in an index, each pair once; itself is none."""
    luma, aspect = pictures.face()
    plain = detail_of(luma) < PLAIN
    faces = {degrees: _turn(luma, aspect, degrees) for degrees in sorted({view.degrees for view, _ in VIEWS})}
    detailed, found = np.flatnonzero(~plain), list[Candidates]()
    for number, (view, other) in enumerate(VIEWS):
        column = 0 if other is CROPS[0] else 1 + HALVES.index(other)
        spectrum = spectra(faces[view.degrees], view)
        pairs = _join(detailed, probes(spectrum), index.tables[column])
        found.extend(_near(each, signs(spectrum), index.described.signs[:, column], number) for each in pairs)
    for query, row in _join(np.flatnonzero(plain), _plain_keys(pictures, PLAIN_MARGIN), index.tables[-1]):
        found.append(Candidates(query, row, np.full(len(row), -1), np.zeros(len(row), np.int64)))
    return _nearest(found, names, index.described.names)


def _turn(luma: npt.NDArray[np.float32], aspect: npt.NDArray[np.float32], degrees: int) -> npt.NDArray[np.float32]:
    """Return pictures turned around their middles; beyond their edges they go on."""
    if not degrees:
        return luma
    at = turned(np.full(len(luma), degrees, np.float32), aspect)
    return sample(luma, at, *places(luma.shape[1]))[0].reshape(luma.shape)


def _join(rows: Rows, key: npt.NDArray[np.int32], table: Table) -> Iterator[tuple[Rows, Rows]]:
    """Yield pairs that have a key in common: some of `rows`, of the pictures looked up, and rows of the index."""
    counts = np.where(key[rows] < 0, 0, table.starts[key[rows] + 1] - table.starts[key[rows]])
    part = np.cumsum(counts.sum(axis=1)) // AT_ONCE
    for some in np.split(np.arange(len(rows)), np.flatnonzero(np.diff(part)) + 1):
        start, count = table.starts[key[rows[some]]].ravel(), counts[some].ravel()
        query = np.repeat(np.repeat(rows[some], key.shape[1]), count)
        offset = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count)
        yield query, table.rows[np.repeat(start, count) + offset].astype(np.int64)


def _near(pairs: tuple[Rows, Rows], mine: Bits, theirs: Bits, view: int) -> Candidates:
    """Keep the pairs whose signs are near."""
    query, row = pairs
    distance = np.bitwise_count(mine[query] ^ theirs[row]).astype(np.int64)
    near = distance <= FARTHEST
    return Candidates(query[near], row[near], np.full(int(near.sum()), view), distance[near])


def _nearest(found: Sequence[Candidates], mine: Bits, theirs: Bits) -> Candidates:
    """Return each pair by its nearest view, and of each picture at most the 64 nearest."""
    if not found:
        none = np.zeros(0, np.int64)
        return Candidates(none, none, none, none)
    query, row, view, distance = (
        np.concatenate([getattr(each, name) for each in found]) for name in ("query", "row", "view", "distance")
    )
    other = np.flatnonzero(mine[query] != theirs[row])
    other = other[np.lexsort((view[other], distance[other], row[other], query[other]))]
    first = (np.diff(query[other], prepend=-1) != 0) | (np.diff(row[other], prepend=-1) != 0)
    other = other[first]
    other = other[np.lexsort((theirs[row[other]], distance[other], query[other]))]
    begins = np.flatnonzero(np.diff(query[other], prepend=-1))
    place = np.arange(len(other)) - np.repeat(begins, np.diff([*begins, len(other)]))
    kept = other[place < MOST]
    return Candidates(query[kept], row[kept], view[kept], distance[kept])


def _plain_keys(pictures: Fingerprints, margin: float) -> npt.NDArray[np.int32]:
    """Return the cells that the light of four quarters and the two mean colours fall into, int32[n, 1 or 64].

    With a margin, both cells of a value that is as near to an edge.
    """
    quarters = pictures.luma.reshape(-1, 2, 32, 2, 32).mean(axis=(2, 4)).reshape(-1, 4)
    values = np.concatenate([quarters, pictures.chroma.mean(axis=(2, 3))], axis=1)
    low, high = (np.floor((values + step) / PLAIN_STEP).astype(np.int64) for step in (-margin, margin))
    ways = 64 if margin else 1
    cells = np.where((np.arange(ways)[:, None] >> np.arange(6) & 1).astype(bool), high[:, None], low[:, None])
    mixed = (cells + 1) @ np.array([1, 33, 1_089, 35_937, 1_185_921, 39_135_393])
    key = ((mixed * 0x9E3779B1) >> 9 & ((1 << KEY_BITS) - 1)).astype(np.int32)
    repeated = np.concatenate([np.zeros((len(key), 1), bool), np.diff(np.sort(key, axis=1), axis=1) == 0], axis=1)
    return np.where(repeated, -1, np.sort(key, axis=1)).astype(np.int32)
