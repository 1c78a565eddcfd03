"""Group planted copies, and say how many were found and how many pairs are right, by kind and by class of picture."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from rich.console import Console
from rich.table import Table

from curate.corpus.near_duplicates import NearDuplicates
from curate.corpus.tables import measure_tables
from nano.evaluate.planted_copies import KINDS, Picture, Planted, plant
from schemas.image_fingerprint import FINGERPRINT_BYTES

__all__ = ["evaluate", "group", "report"]

Groups: TypeAlias = npt.NDArray[np.int64]
Counts: TypeAlias = tuple[int, int]
LEVELS = ("easy", "medium", "hard")
DEVIATIONS = 1.96


def group(planted: Planted, surety: float) -> Groups:
    """Return the group of each image, as NearDuplicates finds it."""
    table = pa.table(
        {
            "uid": [f"{i:032x}" for i in range(len(planted.source))],
            "image_fingerprint": pa.array([row.tobytes() for row in planted.prints], pa.binary(FINGERPRINT_BYTES)),
            "image_fingerprint_aspect": pa.array(planted.aspects, pa.float32()),
        }
    )
    measured = measure_tables(NearDuplicates(surety), {"all": table})["all"]
    return np.array([int(uid, 16) for uid in measured["duplicate_group"].to_pylist()])


def evaluate(planted: Planted, groups: Groups, some: npt.NDArray[np.bool_]) -> dict[str, Counts]:
    """Return found and planted copies by kind and difficulty of some images, and right and all pairs among them.

    A copy is found if it is in the group of its picture. A pair is two images in one group, right if of one picture.
    """
    originals = np.flatnonzero(planted.kind == "original")
    hit = groups == groups[originals][planted.source]
    result: dict[str, Counts] = {}
    for name, kinds in [(name, [name]) for name in KINDS] + [(level, _kinds(level)) for level in LEVELS]:
        chosen = some & np.isin(planted.kind, kinds)
        result[name] = int(hit[chosen].sum()), int(chosen.sum())
    mine = groups[some]
    right = _pairs(mine * (len(originals) + 1) + planted.source[some])
    return {**result, "precision": (right, _pairs(mine))}


def _kinds(level: str) -> list[str]:
    return [name for name, (hard, *_) in KINDS.items() if hard == level]


def _pairs(labels: Groups) -> int:
    counts = np.unique(labels, return_counts=True)[1].astype(np.int64)
    return int((counts * (counts - 1) // 2).sum())


def wilson(counts: Counts) -> tuple[float, float]:
    """Return the 95 % interval of a share (Wilson 1927).

    >>> [round(bound, 3) for bound in wilson((9, 10))]
    [0.596, 0.982]
    """
    of = max(counts[1], 1)
    share, square = counts[0] / of, DEVIATIONS**2
    middle, half = share + square / (2 * of), DEVIATIONS * np.sqrt(share * (1 - share) / of + square / (4 * of * of))
    return float((middle - half) / (1 + square / of)), float((middle + half) / (1 + square / of))


def report(pictures: Sequence[Picture], surety: float, to: Path | None) -> None:
    """Plant copies of distinct pictures, group all, print shares with their intervals; as JSON too, if asked.

    The intervals of recall take copies as independent. Pairs are not, so that precision has none.
    """
    planted = plant(pictures)
    groups = group(planted, surety)
    classes = np.array([picture.group for picture in pictures])[planted.source]
    results = {name: evaluate(planted, groups, classes == name) for name in sorted(set(classes.tolist()))}
    results["all"] = evaluate(planted, groups, np.ones(len(classes), np.bool_))
    table = Table(title=f"{len(pictures)} pictures, {len(planted.source)} images: recall, and precision of pairs")
    table.add_column("kind")
    for name, counts in results.items():
        table.add_column(f"{name}, {counts[next(iter(KINDS))][1]}")
    for row in results["all"]:
        table.add_row(row, *(_text(counts[row], interval=row != "precision") for counts in results.values()))
    Console(width=None if Console().is_terminal else 40 + 22 * len(results)).print(table)
    if to:
        to.write_text(json.dumps(results, indent=1) + "\n")


def _text(counts: Counts, interval: bool) -> str:
    share = f"{counts[0] / counts[1]:.3f}" if counts[1] else "-"
    return share + (" ({:.3f}-{:.3f})".format(*wilson(counts)) if interval and counts[1] else "")
