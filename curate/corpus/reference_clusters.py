"""Find the samples whose cluster holds reference images too: DataComp's image-based filter."""

from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from curate.corpus.clusters import Clusters, without_direction
from curate.corpus.embedding_files import embedding_shape, read_embeddings
from curate.corpus.embeddings import device_of, read_vectors
from curate.corpus.pool import Pool
from curate.errors import ContractError, PlanError
from curate.models.weights import Weights
from curate.similarity.nearest import nearest, unit_vectors
from curate.stages import Assign, Measurement, Resources
from curate.storage.arrays import read_array, write_array
from curate.storage.store import Store
from schemas.prefix import check_prefix, prefixed
from schemas.reference_clusters import REFERENCE_CLUSTERS

__all__ = ["ReferenceClusters"]

BLOCK_ROWS: Final = 8192


@dataclass(frozen=True)
class ReferenceClusters:
    """Add whether the centroid nearest to a sample is the nearest of a reference embedding too.

    `references` is a file of embeddings by the same model, `.npy` or Parquet with one column of lists, one embedding a
    reference image: those of any images that a run measured come from `curate query out "SELECT clip_embedding FROM
    samples WHERE clip_embedding IS NOT NULL" --format parquet`. `centroids` is a file of the same kinds; without it
    they are those of `clusters`, trained on the pool. A centroid is nearest by inner product, as in the reference code:
    for trained ones, of length 1, that is by cosine. See `schemas.reference_clusters`.
    Source: DataComp (Gadre et al. 2023, arXiv 2304.14108): 100,000 centroids of ViT-L/14, ImageNet's training images.
    Its k-means is that of faiss by Euclidean distance, ours is spherical; its own centroid files may be given.
    """

    references: Weights | None = None
    clusters: Clusters = field(default=Clusters(clusters=100_000))
    centroids: Weights | None = None
    prefix: str = ""
    resources: Resources = field(default=Resources(gpus="auto"), repr=False, compare=False)
    version: ClassVar[int] = 1

    def __post_init__(self) -> None:
        check_prefix(self.prefix)

    @property
    def needs(self) -> tuple[str, ...]:
        return self.clusters.needs

    @property
    def adds(self) -> pa.Schema:
        return prefixed(REFERENCE_CLUSTERS, self.prefix)

    def check(self) -> None:
        if self.references is None:
            raise PlanError(
                "ReferenceClusters: no reference images are given; give a file of their embeddings by the same model, "
                ".npy or .parquet, with references=FILE (DataComp takes ImageNet's training images)"
            )
        shapes = {each: embedding_shape(_path(each)) for each in (self.references, self.centroids) if each}
        if len({dims for _, dims in shapes.values()}) > 1:
            said = ", ".join(f"{each.where}: {dims}" for each, (_, dims) in shapes.items())
            raise PlanError(f"ReferenceClusters: embeddings of several lengths ({said}); give those of one model")

    def measure(self, pool: Pool) -> Assign:
        if self.centroids is None:
            replace(self.clusters, resources=self.resources).measure(pool)  # leaves centroids.npy in the scratch folder
        else:
            given = np.concatenate(list(read_embeddings(_path(self.centroids)))).astype(np.float32)
            longest = float(np.sqrt(np.einsum("ij,ij->i", given, given, dtype=np.float64).max()))
            write_array(pool.scratch, "centroids.npy", (given / longest).astype(np.float32))
        list(pool.map(partial(_hit, stage=self), [0]))
        return _Hits(self, pool.scratch)


def _path(file: Weights) -> Path:
    if not file.is_local():
        raise PlanError(f"ReferenceClusters: {file.where} is no path; give a file, such as ./imagenet.npy")
    return file.path()


def _hit(pool: Pool, number: int, stage: ReferenceClusters) -> None:
    """Write which centroids are the nearest of a reference embedding."""
    centroids = read_array(pool.scratch, "centroids.npy")
    hits = np.zeros(len(centroids), np.bool_)
    blocks = read_embeddings(_path(stage.references)) if stage.references else iter(())  # without: `check` refused
    for block in blocks if len(centroids) else ():
        rows = _comparable(stage, block, centroids)
        for first in range(0, len(rows), BLOCK_ROWS):
            vectors = unit_vectors(rows[first : first + BLOCK_ROWS])
            straight = vectors[~np.isnan(vectors[:, 0])]
            hits[nearest(straight, centroids, device=_device(stage))] = True
    write_array(pool.scratch, "hits.npy", hits)


def _comparable(stage: ReferenceClusters, vectors: npt.NDArray[Any], centroids: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return the leading numbers that centroids have; raises ContractError if there are fewer, or others."""
    dims = centroids.shape[1]
    if (stage.clusters.dims is None and vectors.shape[1] != dims) or vectors.shape[1] < dims:
        raise ContractError(
            f"ReferenceClusters: embeddings of {vectors.shape[1]} numbers beside centroids of {dims}; give references "
            f"and centroids of the model that measured {stage.clusters.embedding}"
        )
    return vectors[:, :dims]


def _device(stage: ReferenceClusters) -> str:
    return device_of("ReferenceClusters", stage.resources)


@dataclass(frozen=True, slots=True)
class _Hits:
    """Gives each sample of a shard its centroid, and whether a reference is there."""

    stage: ReferenceClusters
    scratch: Store

    def __call__(self, shard: str, table: pa.Table) -> Measurement:
        centroids, hits = (read_array(self.scratch, f"{name}.npy") for name in ("centroids", "hits"))
        name, count = self.stage.clusters.embedding, table.num_rows
        rows, vectors = read_vectors(table, name)
        cluster, missing = np.zeros(count, np.int32), np.ones(count, np.bool_)
        if len(rows):
            vectors = _comparable(self.stage, vectors, centroids)
        for first in range(0, len(rows), BLOCK_ROWS):
            block = unit_vectors(vectors[first : first + BLOCK_ROWS])
            straight = np.flatnonzero(~np.isnan(block[:, 0]))
            at = rows[first + straight]
            cluster[at] = nearest(block[straight], centroids, device=_device(self.stage))
            missing[at] = False
        hit = hits[cluster] if len(hits) else np.zeros(count, np.bool_)
        columns = (pa.array(each, mask=missing) for each in (cluster, hit))
        errors = without_direction(name, count, rows[missing[rows]])
        return Measurement(dict(zip(self.stage.adds.names, columns, strict=True)), errors)
