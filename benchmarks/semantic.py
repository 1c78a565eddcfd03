"""Clusters and SemDeDup beside faiss: seconds, memory and growth over made embeddings of 512 numbers.

    python -m benchmarks.semantic [--rivals PYTHON] [--growth]

`PYTHON` is an interpreter with faiss-cpu. A cluster for every 1,000 embeddings, 10 rounds over 64 of each; then the
nearest earlier one inside each cluster. The rival is faiss's k-means and search with the same numbers, then the
products of each cluster in numpy, as SemDeDup's own code forms them. Each is a process of its own, with all cores.
"""

import argparse
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from benchmarks.contest import measure, print_table
from benchmarks.data import BENCH

__all__ = ["write_vectors"]

DIMS, SHARD, PER_CLUSTER, TRAINED, ROUNDS = 512, 10_000, 1_000, 64, 10
SIZES = (62_500, 250_000, 1_000_000)
EPSILON = 0.1


def write_vectors(count: int) -> Path:
    """Write half-precision vectors around as many directions as there are clusters; a tenth nearly repeat another."""
    folder = BENCH / "semantic" / str(count)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    chance = np.random.default_rng(1)
    centers = chance.standard_normal((max(1, count // PER_CLUSTER), DIMS), np.float32)
    file = np.lib.format.open_memmap(folder / "vectors.npy", "w+", np.float16, (count, DIMS))
    for first in range(0, count, SHARD):
        rows = min(SHARD, count - first)
        block = centers[chance.integers(0, len(centers), rows)] + chance.standard_normal((rows, DIMS), np.float32)
        again = chance.integers(0, rows, rows // 10)
        block[: len(again)] = block[again] + 0.2 * chance.standard_normal((len(again), DIMS), np.float32)
        file[first : first + rows] = block / np.linalg.norm(block, axis=1, keepdims=True)
    file.flush()
    return folder


@dataclass(frozen=True, slots=True)
class Mapped:
    """Rows of a pool that lie in a mapped file, 10,000 a shard, with the columns that were measured so far."""

    folder: Path
    columns: tuple[tuple[str, Any], ...] = ()

    def table(self, shard: str) -> pa.Table:
        first = int(shard) * SHARD
        block = np.asarray(np.load(self.folder / "vectors.npy", mmap_mode="r")[first : first + SHARD])
        offsets = pa.array(np.arange(len(block) + 1, dtype=np.int32) * DIMS)
        vectors = pa.ListArray.from_arrays(offsets, pa.array(block.ravel(), pa.float16()))
        uids = [f"{i * 2654435761 % (1 << 64):016x}{i:016x}" for i in range(first, first + len(block))]
        more = {name: pa.array(values[first : first + SHARD]) for name, values in self.columns}
        return pa.table({"uid": uids, "clip_embedding": vectors, **more})

    def payloads(self, shard: str, uids: Any) -> Iterator[Any]:
        raise NotImplementedError


def ours(folder: Path) -> None:
    """Run both corpus stages in this process, on CPUs, in 1 GiB."""
    from curate.corpus.clusters import Clusters
    from curate.corpus.pool import Pool
    from curate.corpus.semantic_duplicates import SemanticDuplicates
    from curate.stages import Resources
    from curate.storage.store import Store

    count = len(np.load(folder / "vectors.npy", mmap_mode="r"))
    names = tuple(f"{i:05d}" for i in range(-(-count // SHARD)))
    sizes = tuple(min(SHARD, count - int(name) * SHARD) for name in names)
    clusters = max(1, count // PER_CLUSTER)
    on_cpu = Resources(gpus=0, memory_gib=1.0)
    found: dict[str, list[Any]] = {}
    stages = (
        Clusters(clusters=clusters, rounds=ROUNDS, sample_rows=TRAINED * clusters, resources=on_cpu),
        SemanticDuplicates(resources=on_cpu),
    )
    for number, stage in enumerate(stages):
        rows = Mapped(folder, tuple((name, np.concatenate(parts)) for name, parts in found.items()))
        scratch = folder / f"scratch-{number}"
        scratch.mkdir()
        assign = stage.measure(Pool(names, sizes, rows, Store(str(scratch)), stage.resources))
        for name in names:
            columns = assign(name, rows.table(name)).columns
            for each in stage.adds.names:
                if each != "semantic_duplicate_of":
                    found.setdefault(each, []).append(np.asarray(columns[each]))
    dropped = (np.concatenate(found["semantic_cosine"]) > 1 - EPSILON).sum()
    print(dropped, "duplicates; mean cosine", np.concatenate(found["cluster_cosine"]).mean(), file=sys.stderr)


def faiss(folder: Path) -> None:
    """Run faiss's k-means and search, then all products of each cluster."""
    import faiss

    vectors = np.load(folder / "vectors.npy", mmap_mode="r")
    clusters = max(1, len(vectors) // PER_CLUSTER)
    kmeans = faiss.Kmeans(DIMS, clusters, niter=ROUNDS, spherical=True, max_points_per_centroid=TRAINED)
    whole = vectors.astype(np.float32)
    kmeans.train(whole)
    cosine, label = kmeans.index.search(whole, 1)
    dropped = 0
    for cluster in range(clusters):
        rows = np.flatnonzero(label[:, 0] == cluster)
        ordered = whole[rows[np.argsort(cosine[rows, 0], kind="stable")]]
        dropped += int((np.triu(ordered @ ordered.T, 1).max(axis=0, initial=-1) > 1 - EPSILON).sum())
    print(dropped, "duplicates; mean cosine", cosine.mean(), file=sys.stderr)


def main() -> None:
    """Print what each contestant takes, or how ours grows."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rivals", default=sys.executable)
    parser.add_argument("--count", type=int, default=SIZES[-1])
    parser.add_argument("--growth", action="store_true")
    parser.add_argument("--only", nargs="+", default=["ours", "faiss"])
    parser.add_argument("--job", nargs=2)
    given = parser.parse_args()
    if given.job:
        {"ours": ours, "faiss": faiss}[given.job[0]](Path(given.job[1]))
        return
    for count in SIZES if given.growth else [given.count]:
        for name in ["ours"] if given.growth else given.only:
            folder = write_vectors(count)
            python = sys.executable if name == "ours" else given.rivals
            cost = measure([python, "-m", "benchmarks.semantic", "--job", name, str(folder)])
            figures = {"seconds": cost.seconds, "CPU seconds": cost.cpu_seconds, "peak MiB": cost.peak_mib}
            print_table({f"{name}, {count:,}": figures})
            shutil.rmtree(folder)


if __name__ == "__main__":
    main()
