"""Pairs of pictures that show the same: candidates, laid over each other and compared."""

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from curate.similarity.alignment import Agreement, agreement, align, coarse, start_at
from curate.similarity.fingerprints import Fingerprints, same_plain
from curate.similarity.lookup import PLAIN, VIEWS, Candidates, Index, find_candidates

__all__ = ["NearPairs", "find_near_pairs", "score"]

AT_ONCE: Final = 2_000  # pairs that are compared together: about 60 MB
STARTS: Final = np.stack([start_at(*views) for views in VIEWS])
WEIGHTS: Final = (6.0, 6.0, 8.0, -0.38, -14.0)


@dataclass(frozen=True, slots=True)
class NearPairs:
    """Pairs of a picture looked up and one of an index, int64[n] each; `score` float32[n], higher is surer."""

    query: npt.NDArray[np.int64]
    row: npt.NDArray[np.int64]
    score: npt.NDArray[np.float32]


def find_near_pairs(
    pictures: Fingerprints, names: npt.NDArray[np.uint64], index: Index, indexed: Fingerprints, least: float
) -> NearPairs:
    """Return the pairs whose score is at least `least`; `indexed` are the pictures of the index."""
    found = find_candidates(pictures, names, index)
    scores = np.empty(len(found.row), np.float32)
    for begin in range(0, len(scores), AT_ONCE):
        some = slice(begin, begin + AT_ONCE)
        pairs = Candidates(found.query[some], found.row[some], found.view[some], found.distance[some])
        scores[some] = score(pictures.take(pairs.query), indexed.take(pairs.row), pairs)
    near = scores >= least
    return NearPairs(found.query[near], found.row[near], scores[near])


def score(first: Fingerprints, second: Fingerprints, pairs: Candidates) -> npt.NDArray[np.float32]:
    """Return how sure it is that n pairs show the same: log odds, as fitted on photographs, see docs/dedup.md.

    Pairs in which one shows hardly any detail are compared as they are: 10 if they look the same, else -10.
    """
    plain = np.where(same_plain(first, second), np.float32(10), np.float32(-10))
    detailed = np.flatnonzero(pairs.view >= 0)
    scores = plain.copy()
    seen = compare(first.take(detailed), second.take(detailed), pairs.view[detailed])
    values = (seen.all, seen.best, seen.inside, pairs.distance[detailed].astype(np.float32), np.float32(1))
    odds = sum((np.float32(w) * value for w, value in zip(WEIGHTS, values, strict=True)), np.float32(0))
    scores[detailed] = np.where(seen.detail >= PLAIN, odds, plain[detailed])
    return scores


def compare(first: Fingerprints, second: Fingerprints, view: npt.NDArray[np.int64]) -> Agreement:
    """Lay n pictures over n others, beginning with the views by which they were found."""
    at = align(coarse(first.luma.astype(np.float32)), coarse(second.luma.astype(np.float32)), STARTS[view])
    return agreement(first.detail()[0], second.detail()[0], at)
