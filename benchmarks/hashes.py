"""All pairs of 64-bit hashes within 4 bits: seconds, peak memory and growth, beside numpy, faiss and imagededup.

    python -m benchmarks.hashes [--rivals PYTHON] [--count 1000000] [--radius 4] [--only METHOD ...]

Half of the hashes are random; the others are copies of these with 0 to `radius` + 2 bits flipped. Each size, a quarter
of COUNT to four times it, is a process of its own on one thread; rivals are given the sizes that they end with in
minutes. Growth is the exponent between two sizes. PYTHON is an interpreter with what benchmarks/rivals.txt lists.
"""

import argparse
import math
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from benchmarks.contest import print_table

__all__ = ["draw", "main"]

Hashes = npt.NDArray[np.uint64]
BLOCK = 256  # hashes that are compared with all at once


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
    """Return how many pairs there are."""
    from curate.similarity.hamming import find_near_hashes

    return len(find_near_hashes(hashes, radius))


def all_with_all(hashes: Hashes, radius: int) -> int:
    """Compare each hash with all of them in numpy."""
    found = 0
    for first in range(0, len(hashes), BLOCK):
        found += int((np.bitwise_count(hashes[first : first + BLOCK, None] ^ hashes) <= radius).sum())
    return (found - len(hashes)) // 2


def faiss_flat(hashes: Hashes, radius: int) -> int:
    """Compare each hash with all of them in faiss."""
    import faiss

    return _faiss(faiss.IndexBinaryFlat(64), hashes, radius)


def faiss_hash(hashes: Hashes, radius: int) -> int:
    """Look hashes up under their first 20 bits with up to two flipped: not every pair is found."""
    import faiss

    index = faiss.IndexBinaryHash(64, 20)
    index.nflip = 2
    return _faiss(index, hashes, radius)


def _faiss(index: "faiss.IndexBinary", hashes: Hashes, radius: int) -> int:  # noqa: F821 - only where it is installed
    import faiss

    faiss.omp_set_num_threads(1)
    codes = hashes.view(np.uint8).reshape(-1, 8)
    index.add(codes)
    limits, _, _ = index.range_search(codes, radius + 1)
    return int((limits[-1] - len(codes)) // 2)


def imagededup(hashes: Hashes, radius: int) -> int:
    """Search as its hashing methods do by default (`brute_force_cython`), each hash in all, in one process."""
    from imagededup.handlers.search.brute_force_cython import BruteForceCython

    named = {str(i): f"{each:016x}" for i, each in enumerate(hashes.tolist())}
    search = BruteForceCython(named, lambda a, b: (int(a, 16) ^ int(b, 16)).bit_count())
    return sum(len(search.search(each, radius)) - 1 for each in named.values()) // 2


@dataclass(frozen=True, slots=True)
class Method:
    """A way to find pairs, the most hashes that it is given, and whether another interpreter runs it."""

    find: Callable[[Hashes, int], int]
    most: int
    rival: bool = True


METHODS = {
    "ours": Method(ours, 4_000_000, rival=False),
    "numpy": Method(all_with_all, 62_500, rival=False),
    "faiss-flat": Method(faiss_flat, 250_000),
    "faiss-hash": Method(faiss_hash, 1_000_000),
    "imagededup": Method(imagededup, 15_625),
}


def child(method: str, count: int, radius: int) -> None:
    """Run one method in this process on different hashes; print pairs, seconds, CPU seconds and peak MiB."""
    hashes = np.unique(draw(count, radius))
    begun, used = time.perf_counter(), time.process_time()
    pairs = METHODS[method].find(hashes, radius)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(pairs, time.perf_counter() - begun, time.process_time() - used, peak)


def main() -> None:
    """Print a line for each method and size."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rivals", help="without it only what needs no package is run")
    parser.add_argument("--count", type=int, default=1_000_000)
    parser.add_argument("--radius", type=int, default=4)
    parser.add_argument("--only", nargs="+", choices=METHODS, default=list(METHODS))
    parser.add_argument("--child")
    asked = parser.parse_args()
    if asked.child:
        child(asked.child, asked.count, asked.radius)
        return
    rows: dict[str, dict[str, float]] = {}
    for name in asked.only:
        python = asked.rivals if METHODS[name].rival else sys.executable
        before: tuple[int, float] | None = None
        for factor in (1 / 64, 1 / 16, 1 / 4, 1, 4):
            count = int(asked.count * factor)
            if python and METHODS[name].most >= count and count * 16 >= min(METHODS[name].most, asked.count * 4):
                command = [python, "-m", "benchmarks.hashes", "--child", name, "--count", str(count)]
                done = subprocess.run([*command, "--radius", str(asked.radius)], stdout=subprocess.PIPE, check=True)
                pairs, seconds, used, mib = map(float, done.stdout.split()[-4:])
                growth = math.log(seconds / before[1]) / math.log(count / before[0]) if before else math.nan
                figures = {"pairs": pairs, "seconds": seconds, "CPU seconds": used, "peak MiB": mib, "growth": growth}
                rows[f"{name}, {count:,}"] = figures
                print_table({f"{name}, {count:,}": figures})
                before = count, seconds
    print_table(rows)


if __name__ == "__main__":
    main()
