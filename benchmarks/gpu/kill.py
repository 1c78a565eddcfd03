"""Kill a worker with a working engine by `kill -9`, and wait for its processes to end and its memory to come back."""

import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import psutil

from benchmarks.gpu.engines import PROMPT, engine, first_model
from benchmarks.gpu.step import SCALES, Row, Setting
from benchmarks.gpu.watch import settled_mib, used_mib
from curate.engines.engine import Request

__all__ = ["measure"]

LOOKS_SECONDS = 60.0
TOLERANCE_MIB = 64.0  # of what was in use before the engine started
READY = "ready"


def measure(setting: Setting) -> Iterator[Row]:
    """Yield the seconds from the kill until no process of the engine is left, and until the memory is back."""
    model = first_model(setting)
    before = settled_mib()
    command = [sys.executable, "-m", "benchmarks.gpu.kill", setting.scale.name, str(int(setting.gpu)), str(model)]
    worker = psutil.Popen(command, stdout=subprocess.PIPE, text=True)
    if not any(line.strip() == READY for line in worker.stdout):
        raise RuntimeError(f"the worker ended with exit code {worker.wait()} before its engine ran")
    held, processes = used_mib(), worker.children(recursive=True)
    start = time.perf_counter()
    worker.kill()
    worker.wait()
    ended: float | None = None
    back: float | None = None
    while time.perf_counter() - start < LOOKS_SECONDS:
        now = time.perf_counter() - start
        if ended is None and not _alive(processes):
            ended = round(now, 2)
        if back is None and _is_back(before):
            back = round(time.perf_counter() - start, 2)
        if ended is not None and (back is not None or before is None):
            break
        time.sleep(0.05)
    yield {
        "processes below the worker": len(processes),
        "s until they ended": ended if ended is not None else f"never in {LOOKS_SECONDS:.0f} s",
        "MiB before": before,
        "MiB with the engine": held,
        "MiB after": settled_mib(),
        "s until memory was back": back if back is not None or before is None else f"never in {LOOKS_SECONDS:.0f} s",
    }
    left = _alive(processes)
    for process in left:
        process.kill()
    if left:
        raise RuntimeError(f"{len(left)} processes outlived the worker by {LOOKS_SECONDS:.0f} s: {left}")


def _alive(processes: Sequence[psutil.Process]) -> list[psutil.Process]:
    alive = []
    for process in processes:
        try:
            if process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
                alive.append(process)
        except psutil.Error:
            continue
    return alive


def _is_back(before: float | None) -> bool:
    now = used_mib() if before is not None else None
    return now is not None and before is not None and now <= before + TOLERANCE_MIB


def _hold(scale: str, gpu: str, model: str) -> None:
    """Start an engine, keep it at work and say so; runs until it is killed."""
    vllm = engine(Setting(SCALES[scale], gpu == "1", Path(), Path()), Path(model))
    vllm.start()
    image = np.full((112, 112, 3), 128, np.uint8)
    for number in range(1_000_000):
        vllm.submit(Request(str(number), PROMPT.fill(), image, max_tokens=1000))
        if number == 4:
            print(READY, flush=True)


if __name__ == "__main__":
    _hold(*sys.argv[1:])
