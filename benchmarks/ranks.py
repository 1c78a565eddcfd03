"""What ranking a pool costs: seconds and peak memory of `RankFraction` over made scores, shard after shard.

`python -m benchmarks.ranks --rows 10000000 --memory-gib 0.25` prints a line. The process ranks inline, on one core.
"""

import argparse
import resource
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from curate.corpus.pool import Pool
from curate.corpus.rank_fraction import RankFraction
from curate.errors import SampleError
from curate.stages import Resources
from curate.storage.store import Store

SHARD_ROWS = 10_000


@dataclass(frozen=True)
class Made:
    """Shards of random uids and scores, of which one in ten is null and many are equal; made anew when asked for."""

    def table(self, shard: str) -> pa.Table:
        rng = np.random.default_rng(int(shard))
        digits = pa.py_buffer(rng.bytes(16 * SHARD_ROWS).hex().encode())
        ends = pa.py_buffer(np.arange(0, 32 * SHARD_ROWS + 1, 32, dtype=np.int32))
        scores = rng.normal(0.25, 0.05, SHARD_ROWS).round(4).astype(np.float32)
        return pa.table(
            {
                "uid": pa.StringArray.from_buffers(SHARD_ROWS, ends, digits),
                "clip_score": pa.array(scores, mask=rng.random(SHARD_ROWS) < 0.1),
            }
        )

    def payloads(self, shard: str, uids: Sequence[str]) -> Iterator[bytes | SampleError]:
        return iter(())


def main() -> None:
    """Rank, check that every rank is there once, and print what it took."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--memory-gib", type=float, default=0.25)
    options = parser.parse_args()
    names = tuple(f"{i:06d}" for i in range(-(-options.rows // SHARD_ROWS)))
    with tempfile.TemporaryDirectory() as folder:
        resources = Resources(memory_gib=options.memory_gib)
        pool = Pool(names, (SHARD_ROWS,) * len(names), Made(), Store(folder), resources)
        made, start = _make(pool), time.perf_counter()
        assign = RankFraction().measure(pool)
        seen = np.zeros(len(pool), bool)
        for name in names:
            ranks = assign(name, pool.table(name)).columns["rank"]
            seen[ranks.drop_null().to_numpy()] = True
        seconds = time.perf_counter() - start
        disk = sum(path.stat().st_size for path in Path(folder).iterdir())
    count = int(seen.sum())
    assert seen[:count].all(), "a rank is missing"
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        f"{len(pool):,} rows, {count:,} with a score, memory_gib={options.memory_gib}: {seconds:.1f} s "
        f"(of which making the tables twice: {2 * made:.1f} s), peak {peak:,.0f} MB, {disk / 1e6:,.0f} MB of files"
    )


def _make(pool: Pool) -> float:
    start = time.perf_counter()
    for name in pool.shards:
        pool.table(name)
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
