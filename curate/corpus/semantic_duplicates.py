"""Find samples whose embeddings nearly agree, inside clusters: SemDeDup."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import ClassVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from curate.corpus.batches import RowFiles, join_tables, order_words, row_files, uids_of
from curate.corpus.clusters import without_direction
from curate.corpus.embeddings import device_of, one_dimension, read_vectors
from curate.corpus.pool import Pool
from curate.errors import ContractError
from curate.similarity.earlier import nearest_earlier
from curate.similarity.nearest import unit_vectors
from curate.similarity.ranks import sort_order
from curate.stages import Assign, Measurement, Resources
from curate.storage.arrays import read_array, write_array
from schemas.prefix import check_prefix, prefixed
from schemas.semantic_duplicates import SEMANTIC_DUPLICATES

__all__ = ["SemanticDuplicates"]

BYTES_PER_ROW = 16_384
NOT_MEASURED, BAD = -2.0, -3.0
"""What stands in files for a cosine that there is none of: no embedding or cluster, an embedding without direction."""


@dataclass(frozen=True)
class SemanticDuplicates:
    """Add how near a sample comes to a better one of its cluster; see `schemas.semantic_duplicates`.

    Samples of a cluster come in the order of `key`, then of uids; null keys last. Each is compared with all before it.
    The filter `MaxSemanticCosine(1 - epsilon)` then is SemDeDup: it drops a sample if an earlier one, kept or not, is
    nearer than that, and another epsilon compares nothing again. By default the sample farthest from the centroid is
    kept, as in the paper; `key="clip_score", highest_first=True` keeps the one that matches its text best. Duplicates
    whose embeddings fall into two clusters are not seen; equal embeddings always share one. Work grows with the square
    of the size of clusters. The design lets a GPU change no result; none has run it yet.
    Source: SemDeDup (Abbas et al. 2023, arXiv 2303.09540); DenseFusion-1M (arXiv 2407.08303) uses epsilon 0.4.
    """

    embedding: str = "clip_embedding"
    cluster: str = "cluster"
    key: str = "cluster_cosine"
    highest_first: bool = False
    prefix: str = ""
    resources: Resources = field(default=Resources(gpus="auto"), repr=False, compare=False)
    version: ClassVar[int] = 1

    def __post_init__(self) -> None:
        check_prefix(self.prefix)

    @property
    def needs(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys((self.embedding, self.cluster, self.key)))

    @property
    def adds(self) -> pa.Schema:
        return prefixed(SEMANTIC_DUPLICATES, self.prefix)

    def check(self) -> None:
        return None

    def measure(self, pool: Pool) -> Assign:
        rows = max(1, pool.memory_bytes // BYTES_PER_ROW)
        batches = pool.batches(rows)
        found = list(pool.map(partial(_sort_batch, stage=self), enumerate(batches)))
        one_dimension(self.embedding, [dims for dims, _ in found])
        sizes = [np.append(counts, np.zeros(_longest(found) - len(counts), np.int64)) for _, counts in found]
        edges = _ranges(sum(sizes, np.zeros(_longest(found), np.int64)), rows)
        cuts = [np.concatenate([[0], np.cumsum(each)])[edges] for each in sizes]
        write_array(pool.scratch, "cuts.npy", np.array(cuts, np.int64).reshape(len(batches), len(edges)))
        list(pool.map(partial(_compare, stage=self), range(len(edges) - 1 if batches else 0)))
        list(pool.map(_hand_back, range(len(batches))))
        return _Found(self, row_files(pool, batches))


def _longest(found: Sequence[tuple[int, npt.NDArray[np.int64]]]) -> int:
    return max((len(counts) for _, counts in found), default=0)


def _ranges(counts: npt.NDArray[np.int64], rows: int) -> list[int]:
    """Return where ranges of clusters begin that have at most so many rows, or are one cluster; and the end."""
    edges, size = [0], 0
    for cluster, count in enumerate(counts.tolist()):
        if size and size + count > rows:
            edges.append(cluster)
            size = 0
        size += count
    return [*edges, len(counts)]


def _sort_batch(
    pool: Pool, numbered: tuple[int, Sequence[str]], stage: SemanticDuplicates
) -> tuple[int, npt.NDArray[np.int64]]:
    """Write the rows of a batch by cluster; return the dimension of embeddings and the rows of each cluster."""
    number, batch = numbered
    table = join_tables(pool, batch)
    rows, vectors = read_vectors(table, stage.embedding)
    column = table[stage.cluster].combine_chunks()
    if not pa.types.is_integer(column.type):
        raise ContractError(f"{stage.cluster} is {column.type}; give a column of cluster numbers")
    clusters = np.asarray(column.cast(pa.int64()).fill_null(-1)).astype(np.int64)
    status = np.full(table.num_rows, NOT_MEASURED, np.float32)
    straight = np.concatenate([np.empty(0, np.bool_), *_straight(vectors)])
    status[rows[~straight]] = BAD
    use = np.flatnonzero(straight & (clusters[rows] >= 0))
    use = use[np.argsort(clusters[rows[use]], kind="stable")]
    at = rows[use]
    write_array(pool.scratch, f"status-{number}.npy", status)
    write_array(pool.scratch, f"rows-{number}.npy", at)
    write_array(pool.scratch, f"clusters-{number}.npy", clusters[at])
    write_array(pool.scratch, f"order-{number}.npy", order_words(table, stage.key, stage.highest_first)[at])
    write_array(pool.scratch, f"vectors-{number}.npy", vectors[use])
    return int(vectors.shape[1]), np.bincount(clusters[at]).astype(np.int64)


def _straight(vectors: npt.NDArray[np.floating]) -> list[npt.NDArray[np.bool_]]:
    return [~np.isnan(unit_vectors(vectors[i : i + 8192])[:, 0]) for i in range(0, len(vectors), 8192)]


def _compare(pool: Pool, number: int, stage: SemanticDuplicates) -> None:
    """Compare the samples of one range of clusters; write cosines and nearest uids, batch after batch."""
    cuts = read_array(pool.scratch, "cuts.npy")
    bounds = cuts[:, number : number + 2].tolist()
    clusters, order, vectors = (
        [read_array(pool.scratch, f"{name}-{i}.npy", *bound) for i, bound in enumerate(bounds)]
        for name in ("clusters", "order", "vectors")
    )
    words = np.column_stack([np.concatenate(clusters).astype(np.uint64), np.concatenate(order)])
    by_cluster = sort_order(words)
    joined = np.concatenate([each for each in vectors if len(each)] or vectors)
    cosine, nearest = np.empty(len(words), np.float32), np.zeros((len(words), 2), np.uint64)
    starts = np.flatnonzero(np.diff(words[by_cluster, 0].astype(np.int64), prepend=-1))
    for start, stop in itertools.pairwise([*starts.tolist(), len(words)]):
        rows = by_cluster[start:stop]
        index, cosine[rows] = nearest_earlier(joined[rows], device_of("SemanticDuplicates", stage.resources))
        nearest[rows] = words[rows[index], -2:]
    write_array(pool.scratch, f"cosine-of-range-{number}.npy", cosine)
    write_array(pool.scratch, f"nearest-of-range-{number}.npy", nearest)


def _hand_back(pool: Pool, number: int) -> None:
    """Write cosines and nearest uids of a batch, in the order of its rows."""
    cuts = read_array(pool.scratch, "cuts.npy")
    starts = np.diff(cuts, axis=1)[:number].sum(axis=0)
    bounds = np.stack([starts, starts + np.diff(cuts[number])], axis=1).tolist()
    cosine = np.array(read_array(pool.scratch, f"status-{number}.npy"))
    nearest = np.zeros((len(cosine), 2), np.uint64)
    at = read_array(pool.scratch, f"rows-{number}.npy")
    for name, into in (("cosine", cosine), ("nearest", nearest)):
        parts = [read_array(pool.scratch, f"{name}-of-range-{i}.npy", *bound) for i, bound in enumerate(bounds)]
        into[at] = np.concatenate(parts)
        write_array(pool.scratch, f"{name}-{number}.npy", into)


@dataclass(frozen=True, slots=True)
class _Found:
    """Gives the samples of a shard what was found in their clusters."""

    stage: SemanticDuplicates
    files: RowFiles

    def __call__(self, shard: str, table: pa.Table) -> Measurement:
        cosine, nearest = (self.files.read(name, shard, table.num_rows) for name in ("cosine", "nearest"))
        values = pa.array(cosine, mask=cosine < -1.5), pa.array(uids_of(nearest), mask=cosine <= -1.0)
        errors = without_direction(self.stage.embedding, table.num_rows, np.flatnonzero(cosine == BAD))
        return Measurement(dict(zip(self.stage.adds.names, values, strict=True)), errors)
