"""Pairs of pictures that show the same: candidates, laid over each other and compared."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

from curate.similarity.alignment import Agreement, agreement, align, coarse, start_at
from curate.similarity.fingerprints import Fingerprints, same_plain
from curate.similarity.lookup import PLAIN, VIEWS, Candidates, Index, find_candidates

__all__ = ["NearPairs", "find_near_pairs", "score"]

PICTURES: Final = 1_024  # that are looked up together
PAIRS: Final = 2_000  # that are compared together: about 60 MB
STARTS: Final = np.stack([start_at(*views) for views in VIEWS])
WEIGHTS: Final = np.array([12.32, 3.94, -1.72], np.float32)  # of agreement, of its spread, of the share in view
PER_BIT: Final = np.float32(0.48)
PER_LEVEL, LEVELS = np.float32(0.05), np.float32(20)  # of the mean colour: many changes of colour are no other picture
BIAS: Final = np.float32(12.95)
SAME: Final = np.float32(10)  # log odds of pictures that look the same as they are

Indexed: TypeAlias = Callable[[npt.NDArray[np.int64]], Fingerprints]


@dataclass(frozen=True, slots=True)
class NearPairs:
    """Pairs of a picture looked up and one of an index, int64[n] each; `score` float32[n], higher is surer."""

    query: npt.NDArray[np.int64]
    row: npt.NDArray[np.int64]
    score: npt.NDArray[np.float32]


def find_near_pairs(
    pictures: Fingerprints, names: npt.NDArray[np.uint64], index: Index, indexed: Indexed, least: float
) -> NearPairs:
    """Return the pairs whose score is at least `least`; `indexed` gives pictures of the index by their rows.

    Time grows with the pictures and with what looks alike; memory is 200 MB beside the index.
    """
    parts: list[NearPairs] = []
    for begin in range(0, len(names), PICTURES):
        some = slice(begin, begin + PICTURES)
        looked_up = pictures.take(some)
        found = find_candidates(looked_up, names[some], index)
        for at in range(0, len(found.row), PAIRS):
            part = slice(at, at + PAIRS)
            pairs = Candidates(found.query[part], found.row[part], found.view[part], found.distance[part])
            scores = score(looked_up.take(pairs.query), indexed(pairs.row), pairs)
            near = scores >= least
            parts.append(NearPairs(pairs.query[near] + begin, pairs.row[near], scores[near]))
    none = np.zeros(0, np.int64)
    return NearPairs(
        np.concatenate([none, *(each.query for each in parts)]),
        np.concatenate([none, *(each.row for each in parts)]),
        np.concatenate([none.astype(np.float32), *(each.score for each in parts)]),
    )


def score(first: Fingerprints, second: Fingerprints, pairs: Candidates) -> npt.NDArray[np.float32]:
    """Return how sure it is that n pairs show the same: log odds, as fitted on photographs, see docs/dedup.md.

    10 where they look the same as they are, which is all that tells of pictures with hardly any detail.
    """
    scores = np.where(same_plain(first, second), SAME, -SAME)
    detailed = np.flatnonzero(pairs.view >= 0)
    mine, theirs = first.take(detailed), second.take(detailed)
    seen = compare(mine, theirs, pairs.view[detailed])
    values = np.stack([seen.all, np.log(seen.spread), seen.inside], axis=1)
    colour = np.abs(mine.chroma.mean(axis=(2, 3)) - theirs.chroma.mean(axis=(2, 3))).max(axis=1).astype(np.float32)
    odds = (values * WEIGHTS).sum(axis=1) - PER_BIT * pairs.distance[detailed].astype(np.float32) - BIAS
    odds -= PER_LEVEL * np.minimum(colour, LEVELS)
    odds = np.where(seen.detail >= PLAIN, odds, -SAME)
    scores[detailed] = np.maximum(scores[detailed], odds.astype(np.float32))
    return scores


def compare(first: Fingerprints, second: Fingerprints, view: npt.NDArray[np.int64]) -> Agreement:
    """Lay n pictures over n others, beginning with the views by which they were found."""
    at = align(coarse(first.luma.astype(np.float32)), coarse(second.luma.astype(np.float32)), STARTS[view])
    return agreement(first.detail()[0], second.detail()[0], at)
