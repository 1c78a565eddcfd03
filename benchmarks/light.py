"""A light pass without a model: Curate against the best hand-written loop on the same cores."""

import shutil
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.contest import Contestant, compare, curate, python
from benchmarks.data import BENCH, tars

__all__ = ["main"]

OUT = BENCH / "light"
TARS, ROUNDS = 16, 5


def main(rounds: int = ROUNDS) -> None:
    """Print samples per second past start-up of the recipe `datacomp_basic` and of the loop."""
    shutil.rmtree(OUT, ignore_errors=True)
    tiny, full = tars(2, rows=8), tars(TARS)
    print(f"light pass: {TARS} tars of 1,000 samples, recipe datacomp_basic, {rounds} rounds")
    compare(
        [
            Contestant(
                "Curate",
                lambda n: curate("datacomp_basic", tiny, OUT / f"tiny-{n}"),
                lambda n: curate("datacomp_basic", full, OUT / f"full-{n}"),
            ),
            Contestant("loop", lambda _: loop(OUT / "tiny-loop", tiny), lambda _: loop(OUT / "loop", full)),
            Contestant(
                "loop, grey decode",
                lambda _: loop(OUT / "tiny-grey", tiny, "--luma"),
                lambda _: loop(OUT / "grey", full, "--luma"),
            ),
        ],
        TARS * 1000,
        rounds,
    )
    print(agreement(OUT / "full-0", OUT / "grey"))


def loop(out: Path, paths: list[Path], *options: str) -> list[str]:
    return python("benchmarks.light_loop", out, *paths, *options)


def agreement(dataset: Path, out: Path) -> str:
    """Say how far both did the same work: rows kept, and rows whose digests are equal."""
    theirs = pa.concat_tables(pq.read_table(path) for path in sorted(out.glob("*.parquet")))
    hashes = cells(dataset, "image_facts")["image_phash"].drop_null().to_pylist()
    same = sum(a == b for a, b in zip(hashes, theirs["image_phash"].drop_null().to_pylist(), strict=True))
    kept = cells(dataset, "verdict")["dropped_by"].null_count, sum(theirs["keep"].to_pylist())
    return f"kept by Curate {kept[0]:,}, by the grey loop {kept[1]:,}; equal hashes {same:,} of {len(hashes):,}"


def cells(dataset: Path, stage: str) -> pa.Table:
    """Return the cells of a stage over all shards, in order."""
    return pa.concat_tables(pq.read_table(path) for path in sorted(dataset.glob(f"columns/{stage}-*/*.parquet")))


if __name__ == "__main__":
    main()
