"""Find samples whose texts are nearly the same: MinHash."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from curate.corpus.batches import RowFiles, join_tables, order_words, row_files, uids_of
from curate.corpus.pool import Pool
from curate.errors import ContractError, PlanError
from curate.similarity.components import components
from curate.similarity.minhash import Bands, Sketches, choose_bands, find_similar_texts, sketch
from curate.similarity.mixing import hash_text
from curate.similarity.pieces import join_pieces
from curate.similarity.ranks import sort_order
from curate.similarity.shingles import Shingles, cut_shingles
from curate.stages import Assign, Measurement, Resources
from curate.storage.arrays import read_array, write_array
from curate.storage.store import Store
from schemas.prefix import check_prefix, prefixed
from schemas.text_duplicates import TEXT_DUPLICATES

__all__ = ["TextDuplicates"]

BYTES_PER_ROW = 4_096  # of a batch: texts and sketches
BYTES_PER_TEXT = 100  # of the texts that are compared with each other; n-grams and bitmaps stay in mapped files
SMALL_BYTES = 1 << 28  # what any task may take
CHARACTERS_AT_ONCE = 1 << 22
TEXTS_PER_PART = 100_000


@dataclass(frozen=True)
class TextDuplicates:
    """Add the group of samples whose texts are nearly the same; see `schemas.text_duplicates`.

    Texts are alike when their character n-grams (`curate.similarity.shingles`) have a Jaccard index of at least
    `similarity`, and belong together when a chain of such pairs connects them. MinHash of `permutations` minima finds
    candidates, at least 99 of 100 pairs; each is then compared in full, so no pair is joined by chance. Only texts with
    the same value of `language` are compared; null compares all. The best of a group is the one with the best `key`,
    else the smallest uid; `FirstOfGroup("text_duplicate_group")` keeps it.
    Source: mOSCAR (Futeral et al. 2024, arXiv 2406.08707): per language, n-grams of 4 and 5 characters, Jaccard 0.8,
    256 permutations; LSH by bands as in Leskovec et al., Mining of Massive Datasets.
    """

    text: str = "alt_text"
    language: str | None = "text_language"
    similarity: float = 0.8
    key: str | None = None
    highest_first: bool = True
    permutations: int = 128
    prefix: str = ""
    resources: Resources = field(default=Resources(), repr=False, compare=False)
    version: ClassVar[int] = 1

    def __post_init__(self) -> None:
        if not 0 < self.similarity <= 1:
            raise PlanError(f"TextDuplicates: similarity={self.similarity}: give a Jaccard index over 0, up to 1")
        if not 1 <= self.permutations <= 1024:
            raise PlanError(f"TextDuplicates: permutations={self.permutations}: give 1 to 1024")
        check_prefix(self.prefix)

    @property
    def needs(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(name for name in (self.text, self.language, self.key) if name))

    @property
    def adds(self) -> pa.Schema:
        return prefixed(TEXT_DUPLICATES, self.prefix)

    def check(self) -> None:
        return None

    def measure(self, pool: Pool) -> Assign:
        check_memory(len(pool), self.resources)
        batches = pool.batches(max(1, pool.memory_bytes // BYTES_PER_ROW))
        bands = choose_bands(self.similarity, self.permutations)
        list(pool.map(partial(_sketch_batch, stage=self, bands=bands), enumerate(batches)))
        if batches:
            parts = min(bands.count, 1 + len(pool) // TEXTS_PER_PART)
            shares = [tuple(range(part, bands.count, parts)) for part in range(parts)]
            find = partial(_find_pairs, similarity=self.similarity, batches=len(batches), bands=bands)
            list(pool.map(find, shares))
            list(pool.map(partial(_write_groups, shares=shares), [len(batches)]))
        return _Groups(self, row_files(pool, batches))


def check_memory(texts: int, resources: Resources) -> None:
    """Raise PlanError if so many texts do not fit into one task, each of which holds something of all of them."""
    need = texts * BYTES_PER_TEXT
    if need > max(SMALL_BYTES, resources.memory_gib * (1 << 30)):
        raise PlanError(
            f"TextDuplicates: {texts:,} texts take {need / (1 << 30):.1f} GiB in one task, which may take "
            f"{resources.memory_gib:g}: give resources.memory_gib={need / (1 << 30) + 0.1:.1f}"
        )


def _sketch_batch(pool: Pool, numbered: tuple[int, Sequence[str]], stage: TextDuplicates, bands: Bands) -> None:
    """Write n-grams and sketches of a batch, and what puts its rows in order."""
    number, batch = numbered
    table = join_tables(pool, batch)
    texts = table[stage.text].combine_chunks()
    if not (pa.types.is_string(texts.type) or pa.types.is_large_string(texts.type)):
        raise ContractError(f"TextDuplicates: {stage.text} is {texts.type}; give a column of texts")
    languages = _language_numbers(table, stage.language)
    cut = [cut_shingles(texts.slice(a, b - a).to_pylist()) for a, b in _slices(texts)]
    starts = [a for a, _ in _slices(texts)]
    sketches = [
        sketch(each, languages[start : start + len(each.counts)], bands)
        for start, each in zip(starts, cut, strict=True)
    ]
    keys = np.concatenate([np.stack([each.keys[band] for band in range(bands.count)]) for each in sketches], axis=1)
    write_array(pool.scratch, f"keys-{number}.npy", keys)
    arrays: dict[str, list[Any]] = {
        "values": [each.values for each in cut],
        "contents": [each.contents for each in sketches],
        "bitmaps": [each.bitmaps for each in sketches],
        "counts": [each.counts for each in sketches],
        "order": [order_words(table, stage.key, stage.highest_first)],
    }
    for name, parts in arrays.items():
        write_array(pool.scratch, f"{name}-{number}.npy", np.concatenate(parts))


def _slices(texts: pa.Array) -> list[tuple[int, int]]:
    """Return ranges of rows that have about as many bytes of text as are cut at once."""
    lengths = np.asarray(pc.fill_null(pc.binary_length(texts), 0)).astype(np.int64) + 16
    part = np.cumsum(lengths) // CHARACTERS_AT_ONCE
    edges = [0, *(np.flatnonzero(np.diff(part)) + 1).tolist(), len(texts)]
    return list(itertools.pairwise(edges))


def _language_numbers(table: pa.Table, column: str | None) -> npt.NDArray[np.uint64]:
    if column is None:
        return np.zeros(table.num_rows, np.uint64)
    codes = table[column].combine_chunks().cast(pa.string()).dictionary_encode(null_encoding="encode")
    numbers = np.array([hash_text(name or "") for name in codes.dictionary.to_pylist()], np.uint64)
    each: npt.NDArray[np.uint64] = numbers[np.asarray(codes.indices)]
    return each


@dataclass(frozen=True, slots=True)
class _BandFiles:
    """The keys of one band after another, each read when it is asked for."""

    scratch: Store
    bands: int
    batches: int

    def __len__(self) -> int:
        return self.bands

    def __getitem__(self, band: int) -> npt.NDArray[np.uint64]:
        keys = [read_array(self.scratch, f"keys-{i}.npy", band, band + 1)[0] for i in range(self.batches)]
        joined: npt.NDArray[np.uint64] = np.concatenate(keys)
        return joined


def _find_pairs(pool: Pool, share: Sequence[int], similarity: float, batches: int, bands: Bands) -> None:
    """Write the pairs of similar texts that some bands find."""
    files = {
        name: [read_array(pool.scratch, f"{name}-{i}.npy") for i in range(batches)]
        for name in ("values", "contents", "bitmaps", "counts")
    }
    counts = np.concatenate(files["counts"])
    shingles = Shingles(join_pieces(files["values"]), np.concatenate([[0], np.cumsum(counts)]))
    keys = _BandFiles(pool.scratch, bands.count, batches)
    sketches = Sketches(keys, np.concatenate(files["contents"]), join_pieces(files["bitmaps"]), counts)
    pairs = find_similar_texts(shingles, sketches, similarity, share)
    write_array(pool.scratch, f"pairs-{share[0]}.npy", pairs)


def _write_groups(pool: Pool, batches: int, shares: Sequence[Sequence[int]]) -> None:
    """Write the uid of the best of its group for each row of each batch."""
    order = [read_array(pool.scratch, f"order-{i}.npy") for i in range(batches)]
    sizes = [len(each) for each in order]
    pairs = np.concatenate([read_array(pool.scratch, f"pairs-{share[0]}.npy") for share in shares])
    label = components(sum(sizes), pairs)
    members = np.flatnonzero(np.bincount(label, minlength=len(label))[label] > 1)
    words = np.column_stack([label[members].astype(np.uint64), join_pieces(order)[members]])
    ranked = sort_order(words)
    first = np.diff(words[ranked, 0].astype(np.int64), prepend=-1) != 0
    best = ranked[first][np.cumsum(first) - 1]
    start = 0
    for number, each in enumerate(order):
        group = np.array(each[:, -2:])
        here = (members[ranked] >= start) & (members[ranked] < start + len(each))
        group[members[ranked][here] - start] = words[best[here], -2:]
        write_array(pool.scratch, f"group-{number}.npy", group)
        start += len(each)


@dataclass(frozen=True, slots=True)
class _Groups:
    """Gives the samples of a shard the best of their groups."""

    stage: TextDuplicates
    files: RowFiles

    def __call__(self, shard: str, table: pa.Table) -> Measurement:
        group = pa.array(uids_of(self.files.read("group", shard, table.num_rows)), pa.string())
        alone = pc.equal(group, table["uid"].combine_chunks())
        values = group, pc.if_else(alone, pa.scalar(None, pa.string()), group)
        return Measurement(dict(zip(self.stage.adds.names, values, strict=True)))
