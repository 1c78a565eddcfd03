"""Cluster the samples of the pool by their embeddings."""

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import ClassVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from curate.corpus.batches import join_tables
from curate.corpus.embeddings import device_of, one_dimension, read_vectors
from curate.corpus.pool import Pool
from curate.errors import ContractError, PlanError, SampleError
from curate.similarity.kmeans import KMeans, train
from curate.similarity.mixing import hash_rows
from curate.similarity.nearest import cosines, nearest, unit_vectors
from curate.similarity.ranks import sort_order, uid_words
from curate.stages import Assign, Measurement, Resources
from curate.storage.arrays import read_array, write_array
from curate.storage.store import Store
from schemas.clusters import CLUSTERS
from schemas.prefix import check_prefix, prefixed

__all__ = ["Clusters"]

BYTES_PER_ROW = 16_384  # of a batch of rows: an embedding as Arrow, in half and in single precision, with room
BLOCK_ROWS = 8192


@dataclass(frozen=True)
class Clusters:
    """Add to which of so many clusters a sample's embedding belongs, and how typical it is; see `schemas.clusters`.

    Spherical k-means, trained for `rounds` on about `sample_rows` samples of the pool that a hash of seed and uid
    chooses; then every sample goes to the nearest centroid. A pool with no more distinct embeddings than `clusters`
    has a cluster for each. `dims` are how many leading numbers of an embedding count, for models trained so that these
    are an embedding too (Matryoshka, Kusupati et al. 2022, arXiv 2205.13147): 64 of 512 cluster eight times as fast.
    At most 20 of each cluster: `RankFraction("clip_score", within=("cluster",), prefix="cluster_")`, then
    `MaxRank("cluster_rank", 20)`. The design lets a GPU change no result; none
    has run it yet.
    Source: 50,000 clusters as in DenseFusion-1M (Li et al. 2024, arXiv 2407.08303); SemDeDup (Abbas et al. 2023, arXiv
    2303.09540) takes as many for 440M images. `rounds` and `sample_rows` are ours.
    """

    embedding: str = "clip_embedding"
    clusters: int = 50_000
    dims: int | None = None
    rounds: int = 10
    sample_rows: int = 2_000_000
    seed: int = 0
    prefix: str = ""
    resources: Resources = field(default=Resources(gpus="auto"), repr=False, compare=False)
    version: ClassVar[int] = 1

    def __post_init__(self) -> None:
        for name in ("clusters", "rounds", "sample_rows", "dims"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise PlanError(f"Clusters: {name}={value}: give 1 or more")
        check_prefix(self.prefix)

    @property
    def needs(self) -> tuple[str, ...]:
        return (self.embedding,)

    @property
    def adds(self) -> pa.Schema:
        return prefixed(CLUSTERS, self.prefix)

    def check(self) -> None:
        return None

    def measure(self, pool: Pool) -> Assign:
        batches = pool.batches(max(1, pool.memory_bytes // BYTES_PER_ROW))
        share = min(1.0, self.sample_rows / max(1, len(pool)))
        dims = list(pool.map(partial(_sample, stage=self, share=share), enumerate(batches)))
        if self.dims is not None and self.dims > (found := one_dimension(self.embedding, dims)) > 0:
            raise ContractError(f"Clusters: dims={self.dims}: {self.embedding} has embeddings of {found} numbers")
        list(pool.map(partial(_train, stage=self), [len(batches)]))
        return _Nearest(self, pool.scratch)


def _sample(pool: Pool, numbered: tuple[int, Sequence[str]], stage: Clusters, share: float) -> int:
    """Write the embeddings of a batch that centroids are trained on, with their lots; return their dimension."""
    number, batch = numbered
    table = join_tables(pool, batch)
    rows, vectors = read_vectors(table, stage.embedding)
    uids = uid_words(table["uid"])[rows]
    lots = hash_rows(uids, stage.seed)
    drawn = np.flatnonzero(lots <= np.uint64(min(2**64 - 1, int(share * 2**64))))
    write_array(pool.scratch, f"lots-{number}.npy", np.column_stack([lots, uids])[drawn])
    write_array(pool.scratch, f"sample-{number}.npy", vectors[drawn, : stage.dims])
    return int(vectors.shape[1])


def _train(pool: Pool, batches: int, stage: Clusters) -> None:
    """Write the centroids; the embeddings are read in the order of their lots, from a temporary file."""
    lots = [read_array(pool.scratch, f"lots-{i}.npy") for i in range(batches)]
    order = sort_order(np.concatenate([np.empty((0, 3), np.uint64), *lots]))
    place = np.empty(len(order), np.int64)
    place[order] = np.arange(len(order))
    samples = [read_array(pool.scratch, f"sample-{i}.npy") for i in range(batches)]
    filled = [each for each in samples if len(each)]
    if not filled:
        write_array(pool.scratch, "centroids.npy", np.empty((0, 0), np.float32))
        return
    kind = np.result_type(*filled)
    with tempfile.TemporaryFile(prefix="curate-kmeans-") as file:
        vectors = np.memmap(file, kind, "w+", shape=(len(order), filled[0].shape[1]))
        first = 0
        for each in filled:
            vectors[place[first : first + len(each)]] = each
            first += len(each)
        settings = KMeans(stage.clusters, stage.rounds, device_of("Clusters", stage.resources))
        write_array(pool.scratch, "centroids.npy", train(vectors, settings))


@dataclass(frozen=True, slots=True)
class _Nearest:
    """Gives each sample of a shard the nearest of the centroids."""

    stage: Clusters
    scratch: Store

    def __call__(self, shard: str, table: pa.Table) -> Measurement:
        centroids = read_array(self.scratch, "centroids.npy")
        rows, vectors = read_vectors(table, self.stage.embedding)
        device = device_of("Clusters", self.stage.resources)
        cluster, cosine = np.zeros(table.num_rows, np.int32), np.full(table.num_rows, np.nan, np.float32)
        for first in range(0, len(rows), BLOCK_ROWS):
            block = unit_vectors(vectors[first : first + BLOCK_ROWS, : self.stage.dims])
            straight = np.flatnonzero(~np.isnan(block[:, 0]))
            found = nearest(block[straight], centroids, device=device)
            at = rows[first + straight]
            cluster[at] = found
            cosine[at] = cosines(block[straight], centroids[found])
        missing = np.isnan(cosine)
        columns = (pa.array(each, mask=missing) for each in (cluster, cosine))
        errors = without_direction(self.stage.embedding, table.num_rows, rows[missing[rows]])
        return Measurement(dict(zip(self.stage.adds.names, columns, strict=True)), errors)


def without_direction(name: str, count: int, rows: npt.NDArray[np.int64]) -> list[SampleError | None] | None:
    """Return the errors of rows whose embedding is zero, infinite or not a number."""
    if not len(rows):
        return None
    bad = set(rows.tolist())
    error = SampleError("bad_embedding", f"{name} is zero, infinite or not a number")
    return [error if row in bad else None for row in range(count)]
