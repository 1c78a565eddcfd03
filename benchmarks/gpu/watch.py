"""Watch GPU and processes while something runs: utilisation and memory, by the driver's own tool."""

import statistics
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final

import psutil

from benchmarks.gpu.step import Row

__all__ = ["Watch", "memory_by_process", "settled_mib", "used_mib", "watching"]

DEVICE: Final = "--query-gpu=utilization.gpu,memory.used"
PROCESSES: Final = "--query-compute-apps=pid,used_memory"
PERIOD_SECONDS: Final = 0.25


@dataclass(slots=True)
class Watch:
    """What was seen: share of time in which a kernel ran, in %, and memory in use in MiB, one each per look.

    `processes` is the most memory that each process held, by its id and name. All are empty without a GPU.
    """

    utilisation: list[float] = field(default_factory=list)
    memory: list[float] = field(default_factory=list)
    processes: dict[tuple[int, str], float] = field(default_factory=dict)

    def row(self) -> Row:
        """Return the columns of a table: mean utilisation and peak memory."""
        return {
            "GPU busy %": round(statistics.fmean(self.utilisation), 1) if self.utilisation else None,
            "GPU MiB": max(self.memory, default=None),
        }

    def look(self) -> None:
        """Add what the driver says now."""
        for line in _ask(DEVICE)[:1]:  # the first GPU
            self.utilisation.append(line[0])
            self.memory.append(line[1])
        for pid, mib in memory_by_process().items():
            process = (pid, _name(pid))
            self.processes[process] = max(mib, self.processes.get(process, 0.0))


@contextmanager
def watching(gpu: bool) -> Iterator[Watch]:
    """Look four times a second until the block ends; without a GPU at nothing."""
    watch, done = Watch(), threading.Event()

    def look() -> None:
        while not done.wait(PERIOD_SECONDS):
            watch.look()

    thread = threading.Thread(target=look, daemon=True)
    if gpu:
        thread.start()
    try:
        yield watch
    finally:
        done.set()
        if gpu:
            thread.join()


def used_mib() -> float | None:
    """Return the memory in use on the first GPU; null without one."""
    lines = _ask(DEVICE)
    return lines[0][1] if lines else None


def memory_by_process() -> dict[int, float]:
    """Return MiB of GPU memory by process id; a machine that hides processes gives none."""
    return {int(line[0]): line[1] for line in _ask(PROCESSES) if len(line) == 2}


def settled_mib(seconds: float = 3.0) -> float | None:
    """Return the memory in use once two looks a second apart agree, or after `seconds`."""
    before, end = used_mib(), time.monotonic() + seconds
    while before is not None and time.monotonic() < end:
        time.sleep(1)
        now = used_mib()
        if now == before:
            break
        before = now
    return before


def _name(pid: int) -> str:
    try:
        return psutil.Process(pid).name()
    except psutil.Error:  # it ended, or lives in another namespace
        return "unknown"


def _ask(query: str) -> list[list[float]]:
    try:
        done = subprocess.run(
            ["nvidia-smi", query, "--format=csv,noheader,nounits"],
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return []
    if done.returncode:
        return []
    lines = [[part.strip() for part in line.split(",")] for line in done.stdout.splitlines()]
    return [[float(part) for part in line] for line in lines if all(_is_number(part) for part in line)]


def _is_number(text: str) -> bool:
    return text.replace(".", "", 1).isdigit()
