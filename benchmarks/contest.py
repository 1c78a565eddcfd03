"""Contestants timed in turns on a machine that may be noisy: A, B, A, B, ..."""

import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

__all__ = ["Contestant", "Cost", "compare", "curate", "measure", "print_table", "python"]

SAMPLING_SECONDS = 0.25
MIB = 1 << 20


@dataclass(frozen=True, slots=True)
class Cost:
    """What one command took: wall seconds, processor seconds and peak memory in MiB of it and all its children.

    Memory is the sum of proportional set sizes, where a page shared by k processes counts 1/k in each.
    """

    seconds: float
    cpu_seconds: float
    peak_mib: float


@dataclass(frozen=True, slots=True)
class Contestant:
    """A name and what it does: `tiny` the command that shows the fixed start-up, `full` the one with the work."""

    name: str
    tiny: Callable[[int], Sequence[str]]
    full: Callable[[int], Sequence[str]]


def python(module: str, *arguments: object) -> list[str]:
    """Return the command that runs a module of ours."""
    return [sys.executable, "-m", module, *map(str, arguments)]


def curate(recipe: str, inputs: Sequence[Path], dataset: Path, *parameters: str) -> list[str]:
    """Return the command of a run over some shards."""
    chosen = [part for path in inputs for part in ("--input", str(path))]
    given = [part for parameter in parameters for part in ("-p", parameter)]
    return [str(Path(sys.executable).parent / "curate"), "run", recipe, *chosen, "--dataset", str(dataset), *given]


def measure(command: Sequence[str]) -> Cost:
    """Run a command, watching it and its children four times a second; raises if it fails."""
    start, peak, used = time.perf_counter(), 0.0, dict[int, float]()
    child = psutil.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    while child.poll() is None:
        memory = 0
        for process in [child, *_children(child)]:
            try:
                times = process.cpu_times()
                used[process.pid] = times.user + times.system
                memory += process.memory_full_info().pss
            except psutil.Error:  # it ended meanwhile
                continue
        peak = max(peak, memory / MIB)
        time.sleep(SAMPLING_SECONDS)
    seconds = time.perf_counter() - start
    if child.returncode:
        raise RuntimeError(f"{' '.join(command)[:200]} failed:\n{child.stderr.read()[-2000:]}")
    return Cost(seconds, sum(used.values()), peak)


def _children(process: psutil.Process) -> list[psutil.Process]:
    try:
        return process.children(recursive=True)
    except psutil.Error:
        return []


def compare(contestants: Sequence[Contestant], samples: int, rounds: int) -> None:
    """Time all contestants `rounds` times in turns and print their speed past start-up, the first one's as ratio."""
    tiny: dict[str, list[Cost]] = {each.name: [] for each in contestants}
    full: dict[str, list[Cost]] = {each.name: [] for each in contestants}
    for number in range(rounds):
        for each in contestants:
            tiny[each.name].append(measure(each.tiny(number)))
            full[each.name].append(measure(each.full(number)))
    rows = {each.name: _row(tiny[each.name], full[each.name], samples) for each in contestants}
    print_table(rows)
    ours = rows[contestants[0].name]
    for each in contestants[1:]:
        by = {name: ours[name] / rows[each.name][name] for name in ("best/s", "median/s", "per CPU second")}
        ratios = ", ".join(f"{ratio:.2f} ({name})" for name, ratio in by.items())
        print(f"{contestants[0].name} / {each.name}: {ratios}", flush=True)


def _row(tiny: Sequence[Cost], full: Sequence[Cost], samples: int) -> dict[str, float]:
    start = min(cost.seconds for cost in tiny)
    work = [cost.seconds - start for cost in full]
    cpu = statistics.median(cost.cpu_seconds for cost in full) - statistics.median(cost.cpu_seconds for cost in tiny)
    return {
        "start-up s": start,
        "best/s": samples / min(work),
        "median/s": samples / statistics.median(work),
        "per CPU second": samples / cpu,
        "peak MiB": max(cost.peak_mib for cost in full),
    }


def print_table(rows: Mapping[str, Mapping[str, float]]) -> None:
    """Print one line per name, one column per figure."""
    names = list(next(iter(rows.values())))
    width = max(map(len, rows))
    print(" " * width, *(f"{name:>15}" for name in names))
    for name, row in rows.items():
        print(f"{name:{width}}", *(f"{row[column]:>15,.1f}" for column in names), flush=True)
