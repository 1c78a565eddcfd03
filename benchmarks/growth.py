"""Growth: seconds and peak memory of a light pass over 1,000, 4,000 and 16,000 samples."""

import shutil

from benchmarks.contest import Cost, curate, measure, print_table
from benchmarks.data import BENCH, tars

__all__ = ["main"]

OUT = BENCH / "growth"
ROWS, SIZES, ROUNDS = 250, (1_000, 4_000, 16_000), 2


def main(rounds: int = ROUNDS) -> None:
    """Print what each size takes past start-up; memory is that of the driver, Ray and all workers together."""
    shutil.rmtree(OUT, ignore_errors=True)
    inputs = {0: tars(2, rows=8)} | {size: tars(size // ROWS, rows=ROWS) for size in SIZES}
    print(f"growth: tars of {ROWS} samples, recipe datacomp_basic, best of {rounds} rounds")
    costs: dict[int, list[Cost]] = {size: [] for size in inputs}
    for number in range(rounds):
        for size, paths in inputs.items():
            costs[size].append(measure(curate("datacomp_basic", paths, OUT / f"{size}-{number}")))
    start, start_cpu = (min(getattr(cost, name) for cost in costs[0]) for name in ("seconds", "cpu_seconds"))
    rows = {f"{size:,}": figures(costs[size], size, start, start_cpu) for size in SIZES}
    print_table(rows)


def figures(costs: list[Cost], size: int, start: float, start_cpu: float) -> dict[str, float]:
    """Return the figures of one size."""
    seconds = min(cost.seconds for cost in costs) - start
    cpu = min(cost.cpu_seconds for cost in costs) - start_cpu
    return {
        "seconds": seconds,
        "ms a sample": 1000 * seconds / size,
        "CPU ms a sample": 1000 * cpu / size,
        "peak MiB": min(cost.peak_mib for cost in costs),
    }


if __name__ == "__main__":
    main()
