"""Ways to read a tar, in turns: `python -m benchmarks.tar_walk [rounds]`.

Over the same tars from the page cache: names and offsets of all members, then contents grouped into samples. The loop
is what one would write by hand: mapped into memory, plain headers only, no copies of what is skipped.
"""

import mmap
import statistics
import sys
import tarfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from webdataset.tariterators import group_by_keys, tar_file_expander

from benchmarks.data import tars
from curate.sources import count, scan
from curate.sources.shard import Shard

__all__ = ["main", "samples"]

ROUNDS = 9


def samples(path: Path) -> Iterator[tuple[str, int, dict[str, bytes]]]:
    """Yield key, offset of the first member and contents by extension; members of a sample lie together."""
    with path.open("rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as tar:
        key, first, contents, at = "", 0, {}, 0
        while tar[at : at + 1] not in (b"\0", b""):
            name, _, extension = tar[at : at + 100].rstrip(b"\0").decode().partition(".")
            size = int(tar[at + 124 : at + 135], 8)
            if name != key and contents:
                yield key, first, contents
                contents = {}
            if not contents:
                key, first = name, at
            contents[extension] = tar[at + 512 : at + 512 + size]
            at += 512 + (size + 511) // 512 * 512
        if contents:
            yield key, first, contents


def by_curate(path: Path) -> int:
    return count(_shard(path))


def by_tarfile(path: Path) -> int:
    with tarfile.open(path) as tar:
        return len({member.name.partition(".")[0] for member in tar if member.isreg()})


def read_by_curate(path: Path) -> int:
    return sum(sample.image is not None for sample in scan(_shard(path)))


def read_by_tarfile(path: Path) -> int:
    total, last = 0, ""
    contents: dict[str, bytes] = {}
    with tarfile.open(path) as tar:
        for member in tar:
            key, _, extension = member.name.partition(".")
            if key != last:
                total, last, contents = total + ("jpg" in contents), key, {}
            if file := tar.extractfile(member):
                contents[extension] = file.read()
    return total + ("jpg" in contents)


def read_by_webdataset(path: Path) -> int:
    with path.open("rb") as stream:
        files = tar_file_expander([{"url": str(path), "stream": stream}])
        return sum("jpg" in sample for sample in group_by_keys(files))


def read_by_loop(path: Path) -> int:
    return sum("jpg" in contents for _, _, contents in samples(path))


CONTESTS: dict[str, dict[str, Callable[[Path], int]]] = {
    "names and offsets": {"Curate": by_curate, "tarfile": by_tarfile},
    "contents": {
        "Curate": read_by_curate,
        "tarfile": read_by_tarfile,
        "webdataset": read_by_webdataset,
        "loop": read_by_loop,
    },
}


def main() -> None:
    """Print samples per CPU second of each contestant (each is one thread), best and median of the rounds."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else ROUNDS
    paths = tars(4)
    for contest, contestants in CONTESTS.items():
        rates: dict[str, list[float]] = {name: [] for name in contestants}
        for _ in range(rounds):
            for name, read in contestants.items():
                start = time.process_time()
                total = sum(read(path) for path in paths)
                rates[name].append(total / (time.process_time() - start))
        print(f"\n| {contest} | best samples per CPU second | median | of Curate's median |\n|---|---|---|---|")
        curate = statistics.median(rates["Curate"])
        for name, each in rates.items():
            median = statistics.median(each)
            print(f"| {name} | {max(each):,.0f} | {median:,.0f} | {median / curate:.2f} |")


def _shard(path: Path) -> Shard:
    return Shard(path.stem, "tar", str(path), path.stat().st_size)


if __name__ == "__main__":
    main()
