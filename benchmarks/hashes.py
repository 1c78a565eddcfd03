"""All pairs of 64-bit hashes within 4 bits: CPU seconds, peak memory and growth, beside faiss where it is installed.

    python -m benchmarks.hashes [--count 1000000] [--radius 4]

Half of the hashes are random; the others are copies of these with 0 to `radius` + 2 bits flipped. Each size, a quarter
of COUNT to four times it, runs in a process of its own on one thread. Growth is the exponent between two sizes.
`pip install faiss-cpu` into an environment brings faiss's IndexBinaryFlat and IndexBinaryHash into the table.
"""

import argparse
import importlib.util
import math
import resource
import subprocess
import sys
import time
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from rich.console import Console
from rich.table import Table

from curate.similarity.hamming import find_near_hashes

__all__ = ["draw", "main"]

Hashes = npt.NDArray[np.uint64]
FLAT_MOST = 100_000  # hashes that comparing all with all is tried on


def draw(count: int, radius: int, seed: int = 0) -> Hashes:
    """Return uint64[count] hashes, half of them near copies of the others."""
    rng = np.random.default_rng(seed)
    random = rng.integers(0, 2**64, count - count // 2, np.uint64)
    copies = random[rng.integers(0, len(random), count // 2)]
    flips = rng.integers(0, radius + 3, len(copies))
    for i in range(radius + 2):
        bit = np.uint64(1) << rng.integers(0, 64, len(copies)).astype(np.uint64)
        copies ^= np.where(i < flips, bit, np.uint64(0))
    return rng.permutation(np.concatenate([random, copies]))


def ours(hashes: Hashes, radius: int) -> int:
    """Return how many pairs there are, equal hashes counted once."""
    return len(find_near_hashes(np.unique(hashes), radius))


def faiss_pairs(kind: str) -> Callable[[Hashes, int], int]:
    """Return what counts pairs with an index of faiss on one thread."""

    def count(hashes: Hashes, radius: int) -> int:
        import faiss

        faiss.omp_set_num_threads(1)
        codes = np.unique(hashes).view(np.uint8).reshape(-1, 8)
        index = faiss.IndexBinaryFlat(64) if kind == "flat" else faiss.IndexBinaryHash(64, 20)
        if kind == "hash":
            index.nflip = 2
        index.add(codes)
        limits, _, _ = index.range_search(codes, radius + 1)
        return int((limits[-1] - len(codes)) // 2)

    return count


METHODS: dict[str, Callable[[Hashes, int], int]] = {
    "find_near_hashes": ours,
    "faiss IndexBinaryHash": faiss_pairs("hash"),
    "faiss IndexBinaryFlat": faiss_pairs("flat"),
}


def child(method: str, count: int, radius: int) -> None:
    """Run one method in this process and print pairs, CPU seconds and MiB past what the hashes take."""
    hashes = draw(count, radius)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    start = time.process_time()
    pairs = METHODS[method](hashes, radius)
    seconds = time.process_time() - start
    print(pairs, seconds, (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--count", type=int, default=1_000_000)
    parser.add_argument("--radius", type=int, default=4)
    parser.add_argument("--child")
    asked = parser.parse_args()
    if asked.child:
        child(asked.child, asked.count, asked.radius)
        return
    table = Table()
    for name in ("method", "hashes", "pairs", "CPU seconds", "MiB", "growth"):
        table.add_column(name, justify="left" if name == "method" else "right")
    for method in METHODS if importlib.util.find_spec("faiss") else ["find_near_hashes"]:
        before: tuple[int, float] | None = None
        for count in (asked.count // 4, asked.count, asked.count * 4):
            if method == "faiss IndexBinaryFlat" and count > FLAT_MOST:
                continue
            command = [sys.executable, "-m", "benchmarks.hashes", "--child", method]
            done = subprocess.run(
                [*command, "--count", str(count), "--radius", str(asked.radius)], capture_output=True, check=True
            )
            pairs, seconds, mib = (float(each) for each in done.stdout.split())
            growth = math.log(seconds / before[1]) / math.log(count / before[0]) if before else math.nan
            table.add_row(method, f"{count:,}", f"{pairs:,.0f}", f"{seconds:.1f}", f"{mib:.0f}", f"{growth:.2f}")
            before = count, seconds
    Console().print(table)


if __name__ == "__main__":
    main()
