"""Find samples whose images show the same picture: resized, cropped, recoloured, written over, mirrored."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import ClassVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from curate.corpus.batches import join_tables, order_words, row_files
from curate.corpus.fingerprint_files import Files, read_index, write_fingerprints
from curate.corpus.groups import Groups, best_of_groups, group_equal, write_digests
from curate.corpus.pool import Pool
from curate.errors import PlanError
from curate.similarity.bridges import join_pairs
from curate.similarity.fingerprint_rows import face_rows, fingerprint_rows
from curate.similarity.lookup import BYTES_PER_PICTURE
from curate.similarity.near_pairs import find_near_pairs, of_pictures
from curate.stages import Assign, Resources
from curate.storage.arrays import read_array, write_array
from schemas.duplicates import NEAR_DUPLICATES
from schemas.prefix import check_prefix, prefixed

__all__ = ["NearDuplicates"]

BYTES_PER_ROW = 24_576  # of a batch
SURE = 4.0  # log odds past which one pair is enough
LEAST_BYTES = 64 << 20  # what every task may take
BYTES_PER_GROUP = 200  # of the samples whose pairs are joined, in one task


@dataclass(frozen=True)
class NearDuplicates:
    """Add the group of samples whose images show the same picture; see `schemas.duplicates`.

    Equal fingerprints (`ImageFingerprint`) come first. Of the rest, the signs of low frequencies of crops, halves and
    the mirrored picture find candidates, never all pairs; each candidate is then laid over the other and their detail
    and colour compared. Pairs that are the same with log odds of at least 4 are joined, and so is what a chain of them
    connects; pairs of at least `surety` join groups as `curate.similarity.bridges` says. Pictures without detail have
    to look the same as they are. A null fingerprint is alone. The best of a group is the one with the best `key`, a
    column of numbers, else the smallest uid.
    Source: our own, measured in docs/dedup.md; hashes by signs of frequencies are pHash's (Zauner 2010).
    """

    surety: float = 2.5
    key: str | None = None
    highest_first: bool = True
    prefix: str = ""
    resources: Resources = field(default=Resources(), repr=False, compare=False)
    version: ClassVar[int] = 2

    def __post_init__(self) -> None:
        if not -20 <= self.surety <= 20:
            raise PlanError(f"NearDuplicates: surety={self.surety}: give log odds from -20 to 20, such as 2.5")
        check_prefix(self.prefix)

    @property
    def needs(self) -> tuple[str, ...]:
        names = ("image_fingerprint", "image_fingerprint_aspect", self.key)
        return tuple(name for name in names if name)

    @property
    def adds(self) -> pa.Schema:
        return prefixed(NEAR_DUPLICATES, self.prefix)

    def check(self) -> None:
        return None

    def measure(self, pool: Pool) -> Assign:
        if (need := len(pool) * BYTES_PER_GROUP) > max(pool.memory_bytes, LEAST_BYTES):
            raise PlanError(
                f"NearDuplicates: {len(pool):,} samples take {need / (1 << 30):.1f} GiB in one task, which may take "
                f"{self.resources.memory_gib:g}; give resources.memory_gib={need / (1 << 30) + 0.1:.1f}"
            )
        batches = pool.batches(max(1, pool.memory_bytes // BYTES_PER_ROW))
        list(pool.map(partial(_digest_batch, stage=self), list(enumerate(batches))))
        if batches:
            group_equal(pool, len(batches), "equal")
            sizes = tuple(pool.map(_describe_batch, list(enumerate(batches))))
            blocks = _blocks(sizes, pool.memory_bytes // (3 * BYTES_PER_PICTURE))
            tasks = [(number, block) for number in range(len(batches)) for block in blocks]
            list(pool.map(partial(_find_pairs, sizes=sizes, least=self.surety), tasks))
            list(pool.map(partial(_write_groups, tasks=tasks), [sizes]))
        group, of = self.adds.names
        return Groups(row_files(pool, batches), "group", (group, of))


def _blocks(sizes: Sequence[int], most: int) -> list[tuple[int, int]]:
    """Return ranges of neighbouring batches that one index holds, at most so many pictures unless a batch has more."""
    blocks, start, held = list[tuple[int, int]](), 0, 0
    for number, size in enumerate(sizes):
        if number > start and held + size > most:
            blocks.append((start, number))
            start, held = number, 0
        held += size
    return [*blocks, (start, len(sizes))]


def _digest_batch(pool: Pool, numbered: tuple[int, Sequence[str]], stage: NearDuplicates) -> None:
    number, batch = numbered
    table = join_tables(pool, batch)
    rows = fingerprint_rows(table)
    write_digests(pool, number, rows.digests, rows.valid, order_words(table, stage.key, stage.highest_first))


def _describe_batch(pool: Pool, numbered: tuple[int, Sequence[str]]) -> int:
    """Write the fingerprints of a batch that are the best among equal ones, and return how many they are."""
    number, batch = numbered
    rows = fingerprint_rows(join_tables(pool, batch))
    order = read_array(pool.scratch, f"order-{number}.npy")
    best = (read_array(pool.scratch, f"equal-{number}.npy") == order[:, -2:]).all(axis=1)
    nodes = np.flatnonzero(rows.valid & best)
    write_array(pool.scratch, f"nodes-{number}.npy", np.asarray(order[nodes]))
    write_fingerprints(pool.scratch, number, face_rows(rows, nodes))
    return len(nodes)


def _find_pairs(pool: Pool, task: tuple[int, tuple[int, int]], sizes: Sequence[int], least: float) -> None:
    """Write the pairs of the pictures of a batch and those of a block of batches, by their places among all."""
    number, (first, last) = task
    mine, theirs = Files(pool.scratch, (number,)), Files(pool.scratch, tuple(range(first, last)))
    index, indexed = read_index(theirs)
    pictures, names = mine.all()
    starts = np.cumsum([0, *sizes]).tolist()
    found = find_near_pairs(pictures, names, index, indexed, least)
    found = of_pictures(found, mine.owners(starts), theirs.owners(starts))
    pairs = np.column_stack([found.query, found.row, found.score >= SURE])
    write_array(pool.scratch, f"pairs-{number}-{first}.npy", pairs.astype(np.int64))


def _write_groups(pool: Pool, sizes: Sequence[int], tasks: Sequence[tuple[int, tuple[int, int]]]) -> None:
    """Write the uid of the best of its group for each row of each batch."""
    pairs = np.concatenate([read_array(pool.scratch, f"pairs-{number}-{first}.npy") for number, (first, _) in tasks])
    order = np.concatenate([read_array(pool.scratch, f"nodes-{i}.npy") for i in range(len(sizes))])
    best = best_of_groups(join_pairs(len(order), pairs[:, :2], pairs[:, 2] > 0), order)
    names = _names(order[:, -2:])
    sort = np.argsort(names, kind="stable")
    for number in range(len(sizes)):
        group = np.array(read_array(pool.scratch, f"equal-{number}.npy"))
        if len(names):
            mine = _names(group)
            at = sort[np.minimum(np.searchsorted(names, mine, sorter=sort), len(names) - 1)]
            found = names[at] == mine
            group[found] = best[at[found]]
        write_array(pool.scratch, f"group-{number}.npy", group)


def _names(words: npt.NDArray[np.uint64]) -> npt.NDArray[np.bytes_]:
    """Return uids as bytes that NumPy can put in order."""
    return np.ascontiguousarray(words).astype(">u8").view("S16").ravel()
