"""Rank the samples of the pool by a score: exact, in bounded memory, whatever the shards."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import ClassVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from curate.corpus.pool import Pool
from curate.errors import ContractError
from curate.similarity.ranks import Words, cut_positions, ordered_bits, sort_order, splitters, uid_words
from curate.stages import Assign, Measurement, Resources
from curate.storage.arrays import read_array, write_array
from curate.storage.store import Store
from schemas.prefix import check_prefix, prefixed
from schemas.rank import RANK

__all__ = ["RankFraction"]

BYTES_PER_ROW = 200  # of a sort, at its peak
SAMPLE_ROWS = 512  # keys of each sorted run that the ranges are chosen by


@dataclass(frozen=True)
class RankFraction:
    """Add each sample's rank by a score, 0 the best; see `schemas.rank`.

    Rows with a null or NaN score have no rank and do not count. With `within`, ranks and counts are those of samples
    that have the same values in these columns; null is a value too. Equal scores are put in the order of uids.
    The filters that read it are `MaxRank` and `MaxRankFrac`: another fraction ranks nothing again.

    Sorted runs of neighbouring shards are cut into ranges of keys, each range is merged by itself.
    Source: DataComp keeps the top 30 % by CLIP score in this way (Gadre et al. 2023, arXiv 2304.14108).
    """

    score: str = "clip_score"
    highest_first: bool = True
    within: tuple[str, ...] = ()
    prefix: str = ""
    resources: Resources = field(default=Resources(), repr=False, compare=False)
    version: ClassVar[int] = 1

    def __post_init__(self) -> None:
        check_prefix(self.prefix)

    @property
    def needs(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys((self.score, *self.within)))

    @property
    def adds(self) -> pa.Schema:
        return prefixed(RANK, self.prefix)

    def check(self) -> None:
        return None

    def measure(self, pool: Pool) -> Assign:
        rows = max(1, pool.memory_bytes // BYTES_PER_ROW)
        batches = pool.batches(rows)
        groups = self._groups(pool, batches)
        runs = list(pool.map(partial(_sort_run, stage=self, groups=groups), list(enumerate(batches))))
        sizes = sum((run.sizes for run in runs), np.zeros(len(groups), np.int64))
        ranges = max(1, -(-int(sizes.sum()) // rows))
        keys = splitters(np.concatenate([run.sample for run in runs]), ranges) if runs else _NO_KEYS
        cuts = list(pool.map(partial(_cut, keys=keys), range(len(runs))))
        write_array(pool.scratch, "cuts.npy", np.array(cuts, np.int64).reshape(len(runs), len(keys) + 2))
        list(pool.map(_merge_range, range(len(keys) + 1 if runs else 0)))
        list(pool.map(_hand_back, range(len(runs))))
        places = {shard: (i, start) for i, batch in enumerate(batches) for shard, start in _starts(pool, batch)}
        return _Ranks(self, pool.scratch, groups, sizes, places)

    def _groups(self, pool: Pool, batches: Sequence[tuple[str, ...]]) -> tuple[str, ...]:
        """Return the names of all groups, sorted; one that holds all without `within`."""
        if not self.within:
            return ("",)
        found: set[str] = set()
        for some in pool.map(partial(_group_names, stage=self), batches):
            found |= some
        return tuple(sorted(found))

    def scores(self, table: pa.Table) -> npt.NDArray[np.uint64]:
        """Return each row's score as an integer, the smallest of the best; raises ContractError if it is no number."""
        column = table[self.score].combine_chunks()
        kind = column.type
        if not (pa.types.is_floating(kind) or pa.types.is_integer(kind) or pa.types.is_boolean(kind)):
            raise ContractError(f"{self!r}: {self.score} is {kind}; give a column of numbers")
        bits = ordered_bits(np.asarray(pc.fill_null(column, pa.scalar(0, kind) if kind != pa.bool_() else False)))
        return ~bits if self.highest_first else bits

    def missing(self, table: pa.Table) -> npt.NDArray[np.bool_]:
        """Return which rows have no score."""
        column = table[self.score]
        missing = pc.is_null(column, nan_is_null=True)
        return np.asarray(missing.combine_chunks().to_numpy(zero_copy_only=False), dtype=bool)


@dataclass(frozen=True, slots=True)
class _Run:
    """What is known of a sorted run: its rows by group, and keys at even distances."""

    sizes: npt.NDArray[np.int64]
    sample: Words


def _group_names(pool: Pool, batch: Sequence[str], stage: RankFraction) -> set[str]:
    return {name for shard in batch for name in pc.unique(_group_texts(stage, pool.table(shard))).to_pylist()}


def _group_texts(stage: RankFraction, table: pa.Table) -> pa.Array:
    """Return a text per row that names its group: equal where, and only where, all columns are equal."""
    columns = [pc.replace_substring(table[name].cast(pa.string()), "\x1f", "\x1f\x1f") for name in stage.within]
    joined = pc.binary_join_element_wise(*columns, "\x1f\x1e", null_handling="replace", null_replacement="\x1f\x1d")
    return joined.combine_chunks() if isinstance(joined, pa.ChunkedArray) else joined


def _group_codes(stage: RankFraction, table: pa.Table, groups: tuple[str, ...]) -> npt.NDArray[np.int64]:
    if not stage.within:
        return np.zeros(table.num_rows, np.int64)
    return np.asarray(pc.index_in(_group_texts(stage, table), pa.array(groups, pa.string()))).astype(np.int64)


def _sort_run(pool: Pool, numbered: tuple[int, Sequence[str]], stage: RankFraction, groups: tuple[str, ...]) -> _Run:
    """Write the sort keys of some shards in order, and from which row each comes."""
    number, batch = numbered
    table = pa.concat_tables([pool.table(shard) for shard in batch]).combine_chunks()
    rows = np.flatnonzero(~stage.missing(table))
    group = _group_codes(stage, table, groups)[rows]
    words = np.column_stack([group.astype(np.uint64), stage.scores(table)[rows], uid_words(table["uid"].take(rows))])
    order = sort_order(words)
    words = words[order]
    write_array(pool.scratch, f"keys-{number}.npy", words)
    write_array(pool.scratch, f"rows-{number}.npy", rows[order])
    write_array(pool.scratch, f"size-{number}.npy", np.array([table.num_rows]))
    sample = words[np.linspace(0, len(words) - 1, min(SAMPLE_ROWS, len(words))).astype(np.int64)]
    return _Run(np.bincount(group, minlength=len(groups)).astype(np.int64), sample)


def _cut(pool: Pool, run: int, keys: Words) -> list[int]:
    """Return where the ranges begin in a run, and where the last one ends."""
    words = read_array(pool.scratch, f"keys-{run}.npy")
    return [0, *cut_positions(words, keys).tolist(), len(words)]


def _merge_range(pool: Pool, number: int) -> None:
    """Write the position in the order of all for the rows of one range, run after run."""
    cuts = read_array(pool.scratch, "cuts.npy")
    before = int(cuts[:, number].sum())
    slices = [
        read_array(pool.scratch, f"keys-{run}.npy", *cuts[run, number : number + 2].tolist())
        for run in range(len(cuts))
    ]
    order = sort_order(np.concatenate(slices))
    positions = np.empty(len(order), np.int64)
    positions[order] = np.arange(before, before + len(order))
    write_array(pool.scratch, f"merged-{number}.npy", positions)


def _hand_back(pool: Pool, run: int) -> None:
    """Write the positions of a run's rows, in the order of its shards; -1 without a score."""
    cuts = read_array(pool.scratch, "cuts.npy")
    starts = np.diff(cuts, axis=1)[:run].sum(axis=0)
    stops = starts + np.diff(cuts[run])
    merged = [
        read_array(pool.scratch, f"merged-{number}.npy", start, stop)
        for number, (start, stop) in enumerate(zip(starts.tolist(), stops.tolist(), strict=True))
    ]
    positions = np.full(int(read_array(pool.scratch, f"size-{run}.npy")[0]), -1, np.int64)
    positions[read_array(pool.scratch, f"rows-{run}.npy")] = np.concatenate(merged)
    write_array(pool.scratch, f"positions-{run}.npy", positions)


@dataclass(frozen=True, slots=True)
class _Ranks:
    """Gives a shard its ranks: its rows lie from `places[shard][1]` on in the file of run `places[shard][0]`."""

    stage: RankFraction
    scratch: Store
    groups: tuple[str, ...]
    sizes: npt.NDArray[np.int64]
    places: dict[str, tuple[int, int]]

    def __call__(self, shard: str, table: pa.Table) -> Measurement:
        run, start = self.places[shard]
        position = read_array(self.scratch, f"positions-{run}.npy", start, start + table.num_rows)
        missing = position < 0
        group = _group_codes(self.stage, table, self.groups)
        first = np.cumsum(self.sizes) - self.sizes
        count = np.where(missing, 1, self.sizes[group])
        rank = position - first[group]
        values = {"rank": rank, "rank_frac": (rank + 1) / count, "rank_count": count}
        return Measurement({self.stage.prefix + name: pa.array(each, mask=missing) for name, each in values.items()})


def _starts(pool: Pool, batch: Sequence[str]) -> list[tuple[str, int]]:
    """Return where each shard of a batch begins in it."""
    sizes = dict(zip(pool.shards, pool.sizes, strict=True))
    starts = np.cumsum([0, *(sizes[shard] for shard in batch)])
    return list(zip(batch, starts[:-1].tolist(), strict=True))


_NO_KEYS: Words = np.zeros((0, 4), np.uint64)
