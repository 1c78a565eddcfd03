"""Compare what a run did to the sample shards with what was planted in them."""

import itertools
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from nano.shards.samples import KEPT

__all__ = ["DefectLine", "Fate", "PairLine", "Truth", "defect_table", "pair_table", "reason", "tar_name"]

CAPTION_FILTERS = {"CaptionClean"}

Place = tuple[str, int]
"""Tar file name and row in it."""


@dataclass(frozen=True, slots=True)
class Fate:
    """What became of a sample: the run's verdict, and its image's digests (null where not measured)."""

    place: Place
    dropped_by: str | None
    error: str | None
    sha256: str | None = None
    phash: int | None = None


@dataclass(frozen=True, slots=True)
class Truth:
    """What was planted; `expected` as in `nano.shards.samples.Sample`."""

    place: Place
    planted: str | None
    expected: tuple[str, ...]
    duplicate_of: Place | None = None


@dataclass(frozen=True, slots=True)
class DefectLine:
    """One kind of sample: how many there are and what became of them.

    `right`: kept, or dropped for an expected reason, as it should be; `other`: dropped for another reason; `missed`:
    kept but should not be. `recall` is right / samples. `precision` looks at everything that the expected reasons
    dropped: the share that was planted for one of them; null where nothing should be dropped.
    """

    planted: str
    expected: tuple[str, ...]
    samples: int
    right: int
    other: int
    missed: int
    recall: float
    precision: float | None


@dataclass(frozen=True, slots=True)
class PairLine:
    """Duplicates found by one column among the samples that it was measured on."""

    column: str
    measured: int
    true_pairs: int
    found_pairs: int
    recall: float | None
    precision: float | None


def reason(fate: Fate) -> str:
    """Return "kept", "error:CODE", or the class name of the filter that dropped the sample.

    A sample whose written caption was refused was kept: the defect is the captioner's, not one that was planted.

    >>> reason(Fate(("a.tar", 0), "unmeasured: CaptionWords(minimum=3)", None))
    'CaptionWords'
    """
    if fate.error is not None:
        return "error:" + fate.error.rpartition(": ")[2]
    if fate.dropped_by is not None:
        name = fate.dropped_by.removeprefix("unmeasured: ").partition("(")[0]
        return KEPT[0] if name in CAPTION_FILTERS else name
    return KEPT[0]


def defect_table(fates: Iterable[Fate], truths: Iterable[Truth]) -> list[DefectLine]:
    """Return one line per kind of planted sample in the order of `truths`, clean ones first.

    Samples that may rightly go either way (`expected` empty) have no line and count nowhere. A sample of `truths`
    without a fate raises KeyError.
    """
    by_place = {fate.place: reason(fate) for fate in fates}
    judged = [(truth, by_place[truth.place]) for truth in truths if truth.expected]
    groups: dict[tuple[str, tuple[str, ...]], list[str]] = {("clean", KEPT): []}
    for truth, why in judged:
        groups.setdefault((truth.planted or "clean", truth.expected), []).append(why)
    return [_line(planted, expected, whys, judged) for (planted, expected), whys in groups.items() if whys]


def _line(
    planted: str, expected: tuple[str, ...], whys: Sequence[str], judged: Sequence[tuple[Truth, str]]
) -> DefectLine:
    right = sum(why in expected for why in whys)
    missed = 0 if expected == KEPT else sum(why in KEPT for why in whys)
    dropped = [(truth, why) for truth, why in judged if why in expected and why not in KEPT]
    return DefectLine(
        planted,
        expected,
        samples=len(whys),
        right=right,
        other=len(whys) - right - missed,
        missed=missed,
        recall=round(right / len(whys), 3),
        precision=_share(sum(why in truth.expected for truth, why in dropped), len(dropped)),
    )


def pair_table(fates: Sequence[Fate], truths: Iterable[Truth], bits: int = 4) -> list[PairLine]:
    """Compare duplicate pairs found by equal SHA-256 and by perceptual hashes at most `bits` apart.

    Two samples truly repeat each other when one image, or its original, is the other's.
    """
    known = {truth.place: truth for truth in truths}
    exact = {place for place, truth in known.items() if truth.planted != "near_duplicate"}
    hashed = {fate.place: fate.sha256 for fate in fates if fate.sha256 is not None}
    seen = {fate.place: fate.phash for fate in fates if fate.phash is not None}
    same = {frozenset(p) for p in itertools.combinations(hashed, 2) if hashed[p[0]] == hashed[p[1]]}
    near = {frozenset(p) for p in itertools.combinations(seen, 2) if (seen[p[0]] ^ seen[p[1]]).bit_count() <= bits}
    return [
        _pairs("image_sha256", same, _true_pairs(known, hashed.keys() & exact), len(hashed)),
        _pairs("image_phash", near, _true_pairs(known, seen), len(seen)),
    ]


def _true_pairs(truths: Mapping[Place, Truth], places: Iterable[Place]) -> set[frozenset[Place]]:
    families: dict[Place, list[Place]] = {}
    for place in places:
        families.setdefault(truths[place].duplicate_of or place, []).append(place)
    return {frozenset(pair) for family in families.values() for pair in itertools.combinations(family, 2)}


def _pairs(column: str, found: set[frozenset[Place]], true: set[frozenset[Place]], measured: int) -> PairLine:
    hit = len(found & true)
    return PairLine(column, measured, len(true), len(found), _share(hit, len(true)), _share(hit, len(found)))


def _share(part: int, whole: int) -> float | None:
    return round(part / whole, 3) if whole else None


def tar_name(shard: str) -> str:
    """Return the tar's file name from a shard's name, e.g. "shards.world-000002-1a2b3c4d"; raises ValueError."""
    if (found := re.search(r"world-\d{6}", shard)) is None:
        raise ValueError(f"shard {shard} was not written by nano.shards.make")
    return found[0] + ".tar"
