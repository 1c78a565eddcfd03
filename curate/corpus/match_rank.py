"""Rank how well image and text match among others of the same language: no cosine is the same in two languages."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, ClassVar, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from curate.corpus.pool import Pool
from curate.errors import ContractError, PlanError
from curate.similarity.ranks import uid_words
from curate.stages import Assign, Measurement, Resources
from curate.storage.arrays import read_array, write_array
from schemas.match_rank import MATCH_RANK
from schemas.prefix import check_prefix, prefixed

__all__ = ["MatchRank", "match_ranks"]

SPARE: Final = 1.5  # groups are half as large again as what is compared: they vary by chance
BYTES_PER_NUMBER: Final = 8  # of an embedding, at the peak: read, joined, sorted, multiplied
Words = npt.NDArray[np.uint64]
Places = tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]


@dataclass(frozen=True)
class MatchRank:
    """Add the rank of each pair among `among` pairs of its language; see `schemas.match_rank`.

    The cosines of the image with the other texts, and of the text with the other images, are compared with that of the
    pair itself; the better of the two ranks counts. Whom a sample is compared with follows from the uids of its
    `within` group, not from shards or their order. `MaxRank("match_rank", 8)` keeps the top 8.
    `Clip` and `TextEmbedding` of a multilingual model give the two embeddings, `TextFacts` the language; null is a
    language too.
    Source: mOSCAR (Futeral et al. 2024, arXiv 2406.08707) keeps what is in the top 8 of 64 for at least one partner.
    Left out: negatives of like length, and the many texts and images of a document.
    """

    among: int = 64
    image: str = "clip_embedding"
    text: str = "clip_text_embedding"
    within: str = "text_language"
    prefix: str = ""
    resources: Resources = field(default=Resources(), repr=False, compare=False)
    version: ClassVar[int] = 1

    def __post_init__(self) -> None:
        check_prefix(self.prefix)
        if not 2 <= self.among <= 4_096:
            raise PlanError(f"MatchRank: among={self.among}: give how many pairs are compared, 2 to 4096")

    @property
    def needs(self) -> tuple[str, ...]:
        return (self.image, self.text, self.within)

    @property
    def adds(self) -> pa.Schema:
        return prefixed(MATCH_RANK, self.prefix)

    def check(self) -> None:
        return None

    def measure(self, pool: Pool) -> Assign:
        counts: dict[str, int] = {}
        size = 0
        for some, width in pool.map(partial(_count, stage=self), pool.shards):
            size = max(size, width)
            for name, n in some.items():
                counts[name] = counts.get(name, 0) + n
        groups = _Groups.of(counts, round(SPARE * self.among))
        rows = max(groups.largest(), pool.memory_bytes // (2 * BYTES_PER_NUMBER * max(1, size)))
        parts = max(1, -(-2 * sum(counts.values()) // rows))
        list(pool.map(partial(_deal, stage=self, groups=groups, parts=parts), pool.shards))
        list(pool.map(partial(_rank_part, shards=pool.shards, among=self.among), range(parts)))
        return partial(_hand_back, stage=self, pool=pool.in_task(), parts=parts)

    def measured(self, table: pa.Table) -> npt.NDArray[np.int64]:
        """Return the rows that have both embeddings."""
        both = pc.and_(pc.is_valid(table[self.image]), pc.is_valid(table[self.text]))
        return np.flatnonzero(both.combine_chunks().to_numpy(zero_copy_only=False))


@dataclass(frozen=True, slots=True)
class _Groups:
    """How many groups each language is dealt into, and the number of its first."""

    first: dict[str, int]
    number: dict[str, int]
    sizes: dict[str, int]

    @staticmethod
    def of(counts: dict[str, int], size: int) -> "_Groups":
        number = {name: max(1, counts[name] // size) for name in sorted(counts)}
        starts = np.cumsum([0, *number.values()])[:-1].tolist()
        return _Groups(dict(zip(number, starts, strict=True)), number, counts)

    def largest(self) -> int:
        """Return about the rows of the largest group."""
        return max((2 * self.sizes[name] // self.number[name] for name in self.number), default=1)

    def place(self, names: Sequence[str], words: Words) -> npt.NDArray[np.int64]:
        """Return the group of each row, by its language and its uid."""
        first = np.array([self.first[name] for name in names], np.int64)
        number = np.array([self.number[name] for name in names], np.uint64)
        places: npt.NDArray[np.int64] = first + (words[:, 1] % np.maximum(number, np.uint64(1))).astype(np.int64)
        return places


def match_ranks(images: npt.NDArray[Any], texts: npt.NDArray[Any], among: int) -> tuple[npt.NDArray[np.int64], int]:
    """Return the rank of each pair, int64[n], and with how many it was compared, itself included.

    Row i of `images` and `texts`, float[n, d], is a pair; it is compared with those that follow it, the first after the
    last. Equal cosines are not better.
    """
    cosines = images.astype(np.float32) @ texts.astype(np.float32).T
    n = len(cosines)
    others = min(among, n) - 1
    own = np.diagonal(cosines)
    at = np.arange(n)[:, None]
    after = (at + np.arange(1, others + 1)[None, :]) % n
    of_text = (cosines[at, after] > own[:, None]).sum(axis=1)
    of_image = (cosines[after, at] > own[:, None]).sum(axis=1)
    return np.minimum(of_text, of_image).astype(np.int64), others + 1


def _names(table: pa.Table, rows: npt.NDArray[np.int64], within: str) -> list[str]:
    values = table[within].take(pa.array(rows)).cast(pa.string()).to_pylist()
    return ["none" if value is None else f"is {value}" for value in values]


def _count(pool: Pool, shard: str, stage: MatchRank) -> tuple[dict[str, int], int]:
    """Return the measured rows of a shard by language, and the length of an embedding."""
    table = pool.table(shard)
    rows = stage.measured(table)
    names = _names(table, rows, stage.within)
    width = len(table[stage.image][int(rows[0])]) if len(rows) else 0
    return {name: names.count(name) for name in set(names)}, width


def _deal(pool: Pool, shard: str, stage: MatchRank, groups: _Groups, parts: int) -> None:
    """Write a shard's measured rows, ordered by the part in which their group is ranked."""
    table = pool.table(shard)
    rows = stage.measured(table)
    taken = table.take(pa.array(rows))
    words = uid_words(taken["uid"])
    group = groups.place(_names(table, rows, stage.within), words)
    order = np.lexsort((words[:, 1], words[:, 0], group, group % parts))
    images, texts = (_matrix(taken[name], stage, name)[order] for name in (stage.image, stage.text))
    if images.shape != texts.shape:
        raise ContractError(f"{stage!r}: {stage.image} and {stage.text} are of two models: give those of one")
    write_array(pool.scratch, f"vectors-{shard}.npy", np.concatenate([images, texts], axis=1))
    write_array(pool.scratch, f"words-{shard}.npy", np.column_stack([group[order].astype(np.uint64), words[order]]))
    write_array(pool.scratch, f"rows-{shard}.npy", rows[order])
    write_array(pool.scratch, f"cuts-{shard}.npy", np.searchsorted(group[order] % parts, np.arange(parts + 1)))


def _matrix(column: pa.ChunkedArray, stage: MatchRank, name: str) -> npt.NDArray[np.float16]:
    """Return float16[n, d]; raises ContractError for embeddings of unlike lengths."""
    lengths = set(pc.list_value_length(column).to_pylist())
    if len(lengths) > 1:
        raise ContractError(f"{stage!r}: {name} has vectors of {sorted(lengths)} numbers: give those of one model")
    values = pc.list_flatten(column).combine_chunks()
    flat = np.asarray(values.to_numpy(zero_copy_only=False), np.float16)
    return flat.reshape(len(column), next(iter(lengths), 0))


def _rank_part(pool: Pool, part: int, shards: Sequence[str], among: int) -> None:
    """Rank the groups of one part, and write the ranks of its rows, shard after shard."""
    words, vectors, origin = _gather(pool, part, shards)
    order = np.lexsort((words[:, 2], words[:, 1], words[:, 0]))
    group = words[order, 0]
    found = np.zeros((len(order), 2), np.int64)
    starts = np.flatnonzero(np.diff(group, prepend=group[:1] + np.uint64(1)))
    half = vectors.shape[1] // 2
    for start, stop in zip(starts, np.append(starts, len(order))[1:], strict=True):
        rows = order[start:stop]
        found[rows, 0], found[rows, 1] = match_ranks(vectors[rows, :half], vectors[rows, half:], among)
    ends = np.cumsum(origin)
    for shard, start, stop in zip(shards, ends - origin, ends, strict=True):
        write_array(pool.scratch, f"ranks-{part}-{shard}.npy", found[start:stop])


def _gather(pool: Pool, part: int, shards: Sequence[str]) -> tuple[Words, npt.NDArray[np.float16], npt.NDArray[Any]]:
    """Return group and uid, vectors, and the rows of each shard, of one part."""
    words, vectors, counts = [], [], []
    for shard in shards:
        start, stop = read_array(pool.scratch, f"cuts-{shard}.npy")[part : part + 2].tolist()
        words.append(read_array(pool.scratch, f"words-{shard}.npy", start, stop))
        vectors.append(read_array(pool.scratch, f"vectors-{shard}.npy", start, stop))
        counts.append(stop - start)
    full = [each for each in vectors if each.shape[1]]
    if len({each.shape[1] for each in full}) > 1:
        raise ContractError("MatchRank: the shards have embeddings of different lengths: give those of one model")
    joined = np.concatenate(full) if full else np.zeros((0, 2), np.float16)
    return np.concatenate([_NO_WORDS, *words]), joined, np.array(counts, np.int64)


def _hand_back(shard: str, table: pa.Table, stage: MatchRank, pool: Pool, parts: int) -> Measurement:
    rows = read_array(pool.scratch, f"rows-{shard}.npy")
    found = np.concatenate([read_array(pool.scratch, f"ranks-{part}-{shard}.npy") for part in range(parts)])
    ranks, counts = np.zeros(table.num_rows, np.int64), np.ones(table.num_rows, np.int64)
    ranks[rows], counts[rows] = found[:, 0], found[:, 1]
    missing = np.ones(table.num_rows, bool)
    missing[rows] = False
    values = {"match_rank": ranks, "match_rank_frac": (ranks + 1) / counts, "match_rank_count": counts}
    return Measurement({stage.prefix + name: pa.array(each, mask=missing) for name, each in values.items()})


_NO_WORDS: Words = np.zeros((0, 3), np.uint64)
