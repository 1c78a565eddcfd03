"""Cluster vectors by direction: spherical k-means that gives the same centroids on every machine."""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from curate.similarity.nearest import F32, F64, I64, nearest, unit_vectors

__all__ = ["KMeans", "train"]

BLOCK_ROWS: Final = 4096
SPLIT: Final = 1 / 1024


@dataclass(frozen=True, slots=True)
class KMeans:
    """How many clusters, and how long to look for them; `device` ("cpu", "cuda") changes no result."""

    clusters: int
    iterations: int = 10
    device: str = "cpu"


def train(vectors: npt.NDArray[Any], settings: KMeans) -> F32:
    """Return at most `clusters` centroids of length 1, float32[k, d]; vectors belong to the nearest by cosine.

    `vectors` float[n, d] may be half precision and memory-mapped; their order matters: the first distinct ones are
    where the centroids begin, so give them in the order of a hash. Those without a direction count for nothing. With no
    more distinct vectors than clusters each is a centroid. A cluster that loses all its vectors takes half of the
    largest. Sums are in double precision and in the order of the vectors.
    Memory: centroids twice in double precision and about 200 MB.
    Source: spherical k-means (Dhillon and Modha 2001); splitting as in faiss (Johnson et al. 2017, arXiv 1702.08734).

    >>> centroids = train(np.array([[1, 0], [0, 1], [1, 0.1]], np.float32), KMeans(2))
    >>> [[round(float(x), 2) for x in centroid] for centroid in centroids]
    [[1.0, 0.05], [0.0, 1.0]]
    """
    centroids = _first_distinct(vectors, settings.clusters + 1)
    if len(centroids) <= settings.clusters:
        return centroids
    centroids = centroids[:-1]
    for _ in range(settings.iterations):
        sums, counts = _sum_clusters(vectors, centroids, settings.device)
        centroids = _split_largest(_directions(sums, centroids), counts)
    return centroids


def _first_distinct(vectors: npt.NDArray[Any], count: int) -> F32:
    seen: dict[bytes, F32] = {}
    for first in range(0, len(vectors), BLOCK_ROWS):
        for vector in unit_vectors(vectors[first : first + BLOCK_ROWS]):
            if not np.isnan(vector[0]):
                seen.setdefault(vector.tobytes(), vector)
            if len(seen) == count:
                return np.stack(list(seen.values()))
    return np.stack(list(seen.values())) if seen else np.empty((0, vectors.shape[1]), np.float32)


def _sum_clusters(vectors: npt.NDArray[Any], centroids: F32, device: str) -> tuple[F64, I64]:
    sums, counts = np.zeros(centroids.shape), np.zeros(len(centroids), np.int64)
    for first in range(0, len(vectors), BLOCK_ROWS):
        block = unit_vectors(vectors[first : first + BLOCK_ROWS])
        block = block[~np.isnan(block[:, 0])]
        if not len(block):
            continue
        labels = nearest(block, centroids, device=device)
        order = np.argsort(labels, kind="stable")
        present, starts = np.unique(labels[order], return_index=True)
        sums[present] += np.add.reduceat(block[order], starts, axis=0, dtype=np.float64)
        counts += np.bincount(labels, minlength=len(counts))
    return sums, counts


def _directions(sums: F64, before: F32) -> F32:
    """Return the sums at length 1; a centroid whose vectors cancel out, or that has none, stays where it was."""
    moved = unit_vectors(sums)
    lost = np.isnan(moved[:, 0])
    moved[lost] = before[lost]
    return moved


def _split_largest(centroids: F32, counts: I64) -> F32:
    """Move each centroid without vectors beside that of the largest cluster, the two a little apart."""
    counts, centroids = counts.copy(), centroids.copy()
    apart = np.where(np.arange(centroids.shape[1]) % 2, 1 - SPLIT, 1 + SPLIT).astype(np.float32)
    for empty in np.flatnonzero(counts == 0):
        largest = int(counts.argmax())
        pair = unit_vectors(np.stack([centroids[largest] * apart, centroids[largest] / apart]))
        centroids[largest], centroids[empty] = pair
        counts[empty] = counts[largest] // 2
        counts[largest] -= counts[empty]
    return centroids
