"""Cut an export into parts before anything is written, so that each can be written alone, anywhere, in any order."""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from curate.exports.layout import Part, Reads
from curate.exports.selection import Chosen, Selection
from curate.exports.settings import ExportSettings

__all__ = ["PlannedPart", "plan_parts"]

GROUP_SHARDS: Final = 16
"""Source shards whose samples are mixed: as many files are open while a shuffled part is read."""


@dataclass(frozen=True, slots=True)
class PlannedPart:
    """The samples of a part, n in their order: `rows` int32[n] of the shards `shards[of]`, int32[n].

    The rows of one shard ascend, so that it is read forward only. `image_bytes` are those of the source.
    """

    part: Part
    shards: tuple[int, ...]
    of: npt.NDArray[np.int32]
    rows: npt.NDArray[np.int32]
    image_bytes: int


def plan_parts(selection: Selection, reads: Reads, settings: ExportSettings) -> list[PlannedPart]:
    """Return the parts of an export: 8 bytes of memory a sample.

    With a seed the shards of the source are shuffled, then the samples of each group of 16 shards among the parts of
    that group; within a part, the samples of one shard keep their order. The split of a sample is a hash of its uid: it
    is the same in every export, whatever the condition.
    """
    names: Sequence[str | None] = [name for name, _ in settings.splits] or [None]
    cutters = [_Cutter(name, reads) for name in names]
    edges = np.cumsum([fraction for _, fraction in settings.splits])[:-1]
    parts: list[PlannedPart] = []
    for group in _groups(selection, settings.shuffle):
        which = np.searchsorted(edges, _fractions("split", group.uids), side="right") if len(edges) else None
        for i, cutter in enumerate(cutters):
            mine = group if which is None else group.take(which == i)
            parts.extend(cutter.add(mine))
    parts.extend(part for cutter in cutters for part in cutter.rest())
    return [_forward(part) for part in parts] if settings.shuffle is not None else parts


@dataclass(frozen=True, slots=True)
class _Group:
    """Samples in the order in which they go to parts: shard int32[n], row int32[n], bytes int64[n], uids."""

    shard: npt.NDArray[np.int32]
    rows: npt.NDArray[np.int32]
    sizes: npt.NDArray[np.int64]
    uids: npt.NDArray[Any]

    def take(self, index: npt.NDArray[Any] | slice) -> "_Group":
        return _Group(self.shard[index], self.rows[index], self.sizes[index], self.uids[index])


def _groups(selection: Selection, seed: int | None) -> Iterator[_Group]:
    """Yield the chosen samples shard by shard, or shuffled in groups of shards."""
    order: Sequence[int] = range(len(selection.view.shards))
    if seed is None:
        for i in order:
            yield _group([(i, selection.chosen(i))])
        return
    names = [shard.name for shard in selection.view.shards]
    order = sorted(order, key=lambda i: (_hash(f"shards {seed}", names[i]), names[i]))
    for start in range(0, len(order), GROUP_SHARDS):
        group = _group([(i, selection.chosen(i)) for i in order[start : start + GROUP_SHARDS]])
        yield group.take(np.argsort(_fractions(f"samples {seed}", group.uids), kind="stable"))


def _group(shards: Sequence[tuple[int, Chosen]]) -> _Group:
    return _Group(
        np.concatenate([np.full(len(chosen.rows), i, np.int32) for i, chosen in shards]),
        np.concatenate([chosen.rows for _, chosen in shards]),
        np.concatenate([chosen.sizes for _, chosen in shards]),
        np.concatenate([chosen.uids for _, chosen in shards]),
    )


def _hash(salt: str, text: str) -> int:
    return int.from_bytes(hashlib.blake2b(f"{salt} {text}".encode(), digest_size=8).digest())


def _fractions(salt: str, uids: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    """Return a number in [0, 1) for each uid, the same wherever and whenever it is computed."""
    return np.fromiter((_hash(salt, uid) >> 11 for uid in uids), np.float64, len(uids)) / 2**53


@dataclass(slots=True)
class _Cutter:
    """Cuts the samples of one split into parts; what does not fill one waits for more."""

    split: str | None
    reads: Reads
    number: int = 0
    waiting: list[_Group] = field(default_factory=list)
    samples: int = 0
    size: int = 0

    def add(self, group: _Group) -> Iterator[PlannedPart]:
        """Yield the parts that are full now."""
        at = 0
        while at < len(group.rows):
            count, full = self._room(group.sizes[at : at + self.reads.most_samples - self.samples])
            self.waiting.append(group.take(slice(at, at + count)))
            self.samples += count
            self.size += int(group.sizes[at : at + count].sum())
            at += count
            if full or self.samples == self.reads.most_samples:
                yield from self.rest()

    def rest(self) -> Iterator[PlannedPart]:
        """Yield what waits as a part, if anything does."""
        if not self.samples:
            return
        shard = np.concatenate([group.shard for group in self.waiting])
        rows = np.concatenate([group.rows for group in self.waiting])
        shards, of = np.unique(shard, return_inverse=True)
        yield PlannedPart(Part(self.split, self.number), tuple(shards.tolist()), of.astype(np.int32), rows, self.size)
        self.waiting, self.samples, self.size, self.number = [], 0, 0, self.number + 1

    def _room(self, sizes: npt.NDArray[np.int64]) -> tuple[int, bool]:
        """Return how many of the next samples fit, and whether the part is full by bytes then."""
        if self.reads.most_bytes is None:
            return len(sizes), False
        fit = int(np.searchsorted(np.cumsum(sizes), self.reads.most_bytes - self.size, side="right"))
        if fit == 0 and self.samples == 0:
            return 1, True
        return fit, fit < len(sizes)


def _forward(part: PlannedPart) -> PlannedPart:
    """Return the part with the rows of each shard ascending, on the places that the shard has in it."""
    rows = part.rows.copy()
    for i in range(len(part.shards)):
        places = part.of == i
        rows[places] = np.sort(rows[places])
    return PlannedPart(part.part, part.shards, part.of, rows, part.image_bytes)
