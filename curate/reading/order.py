"""In which order samples are read: as they lie, or shuffled in two levels; a pure function of counts and seed."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from curate.errors import PlanError
from curate.reading.rows import Numbers
from curate.similarity.mixing import hash_rows, hash_text

__all__ = ["Order", "Share", "places"]


@dataclass(frozen=True, slots=True)
class Order:
    """The order of an epoch: as the samples lie without a `seed`.

    With one, parts are drawn in random order and the samples of `parts_at_once` of them are mixed, so that one reader
    holds open as many and no more. The same on every machine.
    """

    seed: int | None = None
    epoch: int = 0
    parts_at_once: int = 8

    def __post_init__(self) -> None:
        if self.parts_at_once < 1 or self.epoch < 0:
            raise PlanError(f"{self}: parts_at_once is at least 1 and epoch at least 0")


@dataclass(frozen=True, slots=True)
class Share:
    """Which of `of` equal shares of the order; the samples that do not divide are left out if `even`."""

    number: int = 0
    of: int = 1
    even: bool = False

    def __post_init__(self) -> None:
        if not 0 <= self.number < self.of:
            raise PlanError(f"{self}: shares are numbered from 0 to {self.of - 1}")

    def bounds(self, samples: int) -> tuple[int, int]:
        """Return where the share of an order of some samples begins and ends.

        >>> [Share(i, 3).bounds(10) for i in range(3)], Share(2, 3, even=True).bounds(10)
        ([(0, 3), (3, 6), (6, 10)], (6, 9))
        """
        total = samples - samples % self.of if self.even else samples
        return self.number * total // self.of, (self.number + 1) * total // self.of


def places(names: Sequence[str], counts: Numbers, order: Order, first: int, last: int) -> Iterator[Numbers]:
    """Yield the samples `first` to `last` - 1 of an order as (part, number), int64[k, 2], group by group of parts."""
    parts = np.arange(len(names)) if order.seed is None else np.argsort(_lots(names, order), kind="stable")
    size = 1 if order.seed is None else order.parts_at_once
    begin = 0
    for start in range(0, len(parts), size):
        group = parts[start : start + size]
        end = begin + int(counts[group].sum())
        if end > first and begin < last:
            yield _mixed(names, counts, order, group)[max(first - begin, 0) : last - begin]
        begin = end


def _lots(names: Sequence[str], order: Order) -> np.ndarray[tuple[int], np.dtype[np.uint64]]:
    words = np.array([[hash_text(name), order.epoch] for name in names], np.uint64).reshape(-1, 2)
    return hash_rows(words, order.seed or 0)


def _mixed(names: Sequence[str], counts: Numbers, order: Order, group: Numbers) -> Numbers:
    part = np.repeat(group, counts[group])
    number = np.concatenate([np.arange(counts[each]) for each in group]) if len(group) else np.zeros(0, np.int64)
    found = np.stack([part, number], axis=1).astype(np.int64)
    if order.seed is None:
        return found
    own = np.repeat(np.array([hash_text(names[each]) for each in group], np.uint64), counts[group])
    words = np.stack([own, np.full(len(own), order.epoch, np.uint64), number.astype(np.uint64)], axis=1)
    return found[np.argsort(hash_rows(words, order.seed), kind="stable")]
