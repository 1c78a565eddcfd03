"""Pairs of pictures that show the same: candidates, laid over each other and compared."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

from curate.similarity.alignment import start_at, start_of
from curate.similarity.fingerprints import Fingerprints, same_plain
from curate.similarity.lookup import VIEWS, Candidates, Index, find_candidates
from curate.similarity.shared_detail import NAMES, compare, lay_over
from curate.similarity.trees import Trees, read_trees

__all__ = ["NearPairs", "find_near_pairs", "judge", "numbers_of", "of_pictures"]

PICTURES: Final = 1_024  # that are looked up together
PAIRS: Final = 1_000  # that are compared together: about 100 MB
STARTS: Final = np.stack([start_at(*views) for views in VIEWS])
DEGREES: Final = np.array([view.degrees for view, _ in VIEWS], np.float32)
LIGHT, DETAIL = 0.3, 0.4  # correlations at 16 px of luma and of its detail, under which nothing more is compared
SAME: Final = np.float32(12)  # log odds of pictures that look the same as they are
FITTED: Final = Path(__file__).with_name("near_pairs.json")

Indexed: TypeAlias = Callable[[npt.NDArray[np.int64]], Fingerprints]
Rows: TypeAlias = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class NearPairs:
    """Pairs of a picture looked up and one of an index, int64[n] each; `score` float32[n], higher is surer."""

    query: Rows
    row: Rows
    score: npt.NDArray[np.float32]


def find_near_pairs(
    pictures: Fingerprints, names: npt.NDArray[np.uint64], index: Index, indexed: Indexed, least: float
) -> NearPairs:
    """Return the pairs whose score is at least `least`; `indexed` gives pictures of the index by their rows.

    Time grows with the pictures and with what looks alike; memory is 300 MB beside the index.
    """
    parts: list[NearPairs] = []
    for first, second, pairs in candidates(pictures, names, index, indexed):
        scores = judge(first, second, pairs)
        near = scores >= least
        parts.append(NearPairs(pairs.query[near], pairs.row[near], scores[near]))
    none = np.zeros(0, np.int64)
    return NearPairs(
        np.concatenate([none, *(each.query for each in parts)]),
        np.concatenate([none, *(each.row for each in parts)]),
        np.concatenate([none.astype(np.float32), *(each.score for each in parts)]),
    )


def candidates(
    pictures: Fingerprints, names: npt.NDArray[np.uint64], index: Index, indexed: Indexed
) -> Iterator[tuple[Fingerprints, Fingerprints, Candidates]]:
    """Yield both pictures of candidates, and the candidates, some thousand at a time."""
    for begin in range(0, len(names), PICTURES):
        some = slice(begin, begin + PICTURES)
        looked_up = pictures.take(some)
        found = find_candidates(looked_up, names[some], index)
        for at in range(0, len(found.row), PAIRS):
            part = slice(at, at + PAIRS)
            query, row = found.query[part], found.row[part]
            pairs = Candidates(query + begin, row, found.view[part], found.distance[part])
            yield looked_up.take(query), indexed(row), pairs


def of_pictures(found: NearPairs, mine: Rows, theirs: Rows) -> NearPairs:
    """Return pairs of faces as pairs of the pictures whose they are, each once, by its surest faces."""
    query, row = mine[found.query], theirs[found.row]
    order = np.lexsort((-found.score, row, query))
    first = (np.diff(query[order], prepend=-1) != 0) | (np.diff(row[order], prepend=-1) != 0)
    kept = order[first]
    return NearPairs(query[kept], row[kept], found.score[kept])


def judge(first: Fingerprints, second: Fingerprints, pairs: Candidates) -> npt.NDArray[np.float32]:
    """Return how sure it is that n pairs show the same, float32[n]: log odds, see docs/dedup.md.

    12 where they look the same as they are, which is all that tells of pictures with hardly any detail.
    """
    scores = np.where(same_plain(first, second), SAME, -SAME)
    rows, numbers = numbers_of(first, second, pairs)
    if len(rows):
        scores[rows] = np.maximum(scores[rows], _fitted()(numbers))
    return scores.astype(np.float32)


def numbers_of(first: Fingerprints, second: Fingerprints, pairs: Candidates) -> tuple[Rows, npt.NDArray[np.float32]]:
    """Return which pairs have something in common once laid over each other, and their numbers of `NAMES`."""
    rows = np.flatnonzero(pairs.view >= 0)
    one, other, view = first.take(rows), second.take(rows), pairs.view[rows]
    start = start_of(STARTS[view], DEGREES[view], one.face_aspect(), (one.edges(), other.edges()))
    half = lay_over(one, other, start)
    some = np.flatnonzero((half.light >= LIGHT) & (half.detail >= DETAIL))
    return rows[some], compare(one.take(some), other.take(some), half.take(some), pairs.distance[rows[some]])


@cache
def _fitted() -> Trees:
    return read_trees(FITTED, NAMES)
