"""How an export is made, whatever its format: the order of its samples, splits, pictures, workers."""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from rich.console import Console

from curate.errors import PlanError
from curate.exports.pictures import Pictures

__all__ = ["ExportSettings", "read_splits"]


PICTURES: Final = Pictures()
QUIET: Final = Console(quiet=True)


@dataclass(frozen=True, slots=True)
class ExportSettings:
    """`shuffle` is a seed, None keeps the order of the source; `splits` are names and fractions, none: one whole.

    `pictures` says what is done to images, by default nothing. `workers` None lets the size of the export decide; it
    never changes a byte, nor does `address`, a Ray cluster. `console` shows how far it is.
    """

    shuffle: int | None = None
    splits: tuple[tuple[str, float], ...] = ()
    pictures: Pictures = PICTURES
    workers: int | None = None
    address: str | None = None
    console: Console = field(default=QUIET, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.workers is not None and self.workers < 1:
            raise PlanError(f"workers is {self.workers}; it must be at least 1")


def read_splits(text: str | None) -> tuple[tuple[str, float], ...]:
    """Return the splits of a text such as `train=0.98,val=0.01,test=0.01`; raises PlanError.

    >>> read_splits("train=0.9,val=0.1")
    (('train', 0.9), ('val', 0.1))
    """
    if not text:
        return ()
    splits = tuple(_split(part, text) for part in text.split(","))
    names: Sequence[str] = [name for name, _ in splits]
    if len(set(names)) < len(names):
        raise PlanError(f"--split {text}: a name stands there twice")
    if not math.isclose(sum(fraction for _, fraction in splits), 1.0, abs_tol=1e-6):
        raise PlanError(f"--split {text}: the fractions make {sum(f for _, f in splits):g}; they must make 1")
    return splits


def _split(part: str, text: str) -> tuple[str, float]:
    match = re.fullmatch(r"\s*([A-Za-z][A-Za-z0-9_]*)=([0-9.eE-]+)\s*", part)
    try:
        fraction = float(match[2]) if match else -1.0
    except ValueError:
        fraction = -1.0
    if match is None or not 0 < fraction <= 1:
        raise PlanError(f"--split {text}: {part.strip()!r} is not NAME=FRACTION, e.g. train=0.98,val=0.01,test=0.01")
    return match[1], fraction
