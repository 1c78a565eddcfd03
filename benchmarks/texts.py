"""Text deduplication beside datasketch and datatrove: seconds, memory and growth over made alt texts.

    python -m benchmarks.texts [--rivals PYTHON] [--count 200000] [--growth]

`PYTHON` is an interpreter with datasketch and datatrove[processing] installed. Each contestant is a process of its own
on the same texts, a tenth of which nearly repeat another one; two worker processes where it can use them.
"""

import argparse
import random
import shutil
import sys
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from benchmarks.contest import measure, print_table
from benchmarks.data import BENCH

__all__ = ["make_texts", "two_processes"]

SHARD = 25_000
SIMILARITY = 0.8
SIZES = (50_000, 200_000, 800_000)


def make_texts(count: int, seed: int = 1) -> list[str]:
    """Return texts of 5 to 14 made words, words as unevenly used as in a language; a tenth are changed copies."""
    chance = random.Random(seed)
    letters = "eeeettaaooiinnsshhrrddllccuummwwffggyyppbbvk"
    words = ["".join(chance.choices(letters, k=chance.randint(2, 9))) for _ in range(50_000)]
    weights = np.cumsum(1 / np.arange(10, 50_010)).tolist()
    texts = [
        " ".join(chance.choices(words, cum_weights=weights, k=chance.randint(5, 14)))
        for _ in range(count - count // 10)
    ]
    for _ in range(count // 10):
        text = chance.choice(texts).split()
        change = chance.randrange(4)
        if change == 0:
            text = [word.upper() for word in text]
        elif change == 1:
            text[chance.randrange(len(text))] += "s"
        elif change == 2:
            text.append("photo")
        else:
            text[chance.randrange(len(text))] = chance.choice(words)
        texts.append(" ".join(text))
    chance.shuffle(texts)
    return texts


def two_processes(executor: ProcessPoolExecutor) -> Callable[..., Iterator[Any]]:
    """Return a mapper of a pool that runs functions in the processes of an executor."""

    def run(pool: Any, function: Callable[..., Any], inputs: Iterable[Any]) -> Iterator[Any]:
        return executor.map(partial(function, pool.in_task()), inputs)

    return run


@dataclass(frozen=True, slots=True)
class Lines:
    """Rows of a pool that are lines of files, one a shard."""

    folder: Path

    def table(self, shard: str) -> pa.Table:
        texts = (self.folder / shard).read_text().splitlines()
        first = int(shard) * SHARD
        return pa.table({"uid": [f"{i:032x}" for i in range(first, first + len(texts))], "alt_text": texts})

    def payloads(self, shard: str, uids: Any) -> Iterator[Any]:
        raise NotImplementedError


def ours(folder: Path) -> None:
    """Run TextDuplicates with half a GiB a task in two processes."""
    from curate.corpus.pool import Pool
    from curate.corpus.text_duplicates import TextDuplicates
    from curate.stages import Resources
    from curate.storage.store import Store

    stage = TextDuplicates(language=None, similarity=SIMILARITY, resources=Resources(memory_gib=0.5))
    names = tuple(sorted(path.name for path in folder.iterdir() if path.name.isdigit()))
    rows = Lines(folder)
    sizes = tuple(rows.table(name).num_rows for name in names)
    scratch = folder / "scratch"
    scratch.mkdir()
    with ProcessPoolExecutor(2) as executor:
        pool = Pool(names, sizes, rows, Store(str(scratch)), stage.resources, two_processes(executor))
        assign = stage.measure(pool)
    groups = [
        uid for name in names for uid in assign(name, rows.table(name)).columns["text_duplicate_group"].to_pylist()
    ]
    print(len(groups) - len(set(groups)), "duplicates", file=sys.stderr)


def datasketch(folder: Path) -> None:
    """Do as its documentation teaches: a MinHash a text, looked up and inserted; the same 5-grams of characters."""
    from datasketch import MinHash, MinHashLSH

    lsh, found = MinHashLSH(threshold=SIMILARITY, num_perm=128), 0
    for number, text in enumerate(_all_texts(folder)):
        normal = f" {text.lower()} "
        hashed = MinHash(num_perm=128)
        hashed.update_batch([normal[i : i + 5].encode() for i in range(len(normal) - 4)])
        found += bool(lsh.query(hashed))
        lsh.insert(number, hashed)
    print(found, "duplicates", file=sys.stderr)


def datatrove(folder: Path) -> None:
    """Run its four steps with its own settings (5-grams of words, 14 buckets of 8 hashes), two tasks."""
    from datatrove.data import Document
    from datatrove.executor import LocalPipelineExecutor
    from datatrove.pipeline.dedup import MinhashConfig, MinhashDedupBuckets, MinhashDedupCluster, MinhashDedupSignature

    work, config = folder / "datatrove", MinhashConfig()
    documents = [Document(text, str(i)) for i, text in enumerate(_all_texts(folder))]
    steps: list[tuple[list[Any], int]] = [
        ([documents, MinhashDedupSignature(str(work / "signatures"), config)], 1),
        ([MinhashDedupBuckets(str(work / "signatures"), str(work / "buckets"), config=config)], config.num_buckets),
        ([MinhashDedupCluster(str(work / "buckets"), str(work / "removed"), config)], 1),
    ]
    for number, (pipeline, tasks) in enumerate(steps):
        LocalPipelineExecutor(pipeline, tasks=tasks, workers=2, logging_dir=str(work / f"log-{number}")).run()


def _all_texts(folder: Path) -> Iterator[str]:
    for path in sorted(folder.iterdir()):
        if path.name.isdigit():
            yield from path.read_text().splitlines()


def write(count: int) -> Path:
    """Write the texts of one size as files of 25,000 lines."""
    folder = BENCH / "texts" / str(count)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    texts = make_texts(count)
    for first in range(0, count, SHARD):
        (folder / f"{first // SHARD:05d}").write_text("\n".join(texts[first : first + SHARD]) + "\n")
    return folder


def main() -> None:
    """Print what each contestant takes, or how ours grows."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rivals", default=sys.executable)
    parser.add_argument("--count", type=int, default=200_000)
    parser.add_argument("--growth", action="store_true")
    parser.add_argument("--only", nargs="+", default=["ours", "datasketch", "datatrove"])
    parser.add_argument("--job", nargs=2)
    given = parser.parse_args()
    if given.job:
        {"ours": ours, "datasketch": datasketch, "datatrove": datatrove}[given.job[0]](Path(given.job[1]))
        return
    rows = {}
    for count in SIZES if given.growth else [given.count]:
        folder = write(count)
        for name in ["ours"] if given.growth else given.only:
            python = sys.executable if name == "ours" else given.rivals
            cost = measure([python, "-m", "benchmarks.texts", "--job", name, str(folder)])
            figures = {"seconds": cost.seconds, "CPU seconds": cost.cpu_seconds, "peak MiB": cost.peak_mib}
            rows[f"{name}, {count:,}"] = figures
            print_table({f"{name}, {count:,}": figures})
    print_table(rows)


if __name__ == "__main__":
    main()
