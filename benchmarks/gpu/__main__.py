"""Everything that only a GPU can tell: each step a process of its own, resumable, one table at the end.

    python -m benchmarks.gpu --out DIR [--scale nano|7b] [--only STEP ...] [--publish]

Writes DIR/STEP.json. A step that is done there is skipped, one that failed or ran out of time is tried again; what it
had measured stays in its JSON, and the others go on. Without a GPU all steps run on tiny models on the CPU: that shows
that the steps work, and no figure of it means anything.
"""

import argparse
import json
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from typing import Any

import psutil

from benchmarks.data import BENCH
from benchmarks.gpu.child import write
from benchmarks.gpu.machine import has_gpu, machine
from benchmarks.gpu.plan import STEPS
from benchmarks.gpu.report import publish, table
from benchmarks.gpu.step import SCALES, Step

__all__ = ["main", "run", "wait"]

PAGE = Path("docs/benchmarks.md")
ENDING_SECONDS = 10.0  # for what was killed to be gone
LAST_LINES = 8  # of what a failed step printed


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what is missing, print the table, and return 1 if a step is not done."""
    given = _parse(arguments)
    gpu = has_gpu()
    scale = given.scale or ("7b" if gpu else "nano")
    if scale == "7b" and not gpu:
        print("--scale 7b needs a GPU, and no driver answers to nvidia-smi; leave it out for a dry run on the CPU")
        return 2
    if given.jobs > 1 and scale != "nano":
        print("--jobs is for a dry run: steps that run side by side would measure each other")
        return 2
    if given.publish and (scale != "7b" or not gpu):
        print("--publish is for figures of a GPU at scale 7b; a dry run has none")
        return 2
    if not gpu:
        print("no GPU: a dry run of every step with tiny models on the CPU; no figure of it means anything", flush=True)
    steps = [step for step in STEPS if not given.only or step.name in given.only]
    given.out.mkdir(parents=True, exist_ok=True)
    with ThreadPoolExecutor(given.jobs) as threads:
        records = list(threads.map(lambda step: run(step, given.out, scale, given.work), steps))
    text = table([json.loads(path.read_text()) for step in STEPS if (path := given.out / f"{step.name}.json").exists()])
    print("\n" + text)
    if given.publish:
        publish(PAGE, text)
        print(f"written into {PAGE}")
    return int(any(record["status"] != "done" for record in records))


def run(step: Step, out: Path, scale: str, work: Path) -> dict[str, Any]:
    """Return what is known about a step: its JSON if that is done at this scale, else of a new process."""
    path = out / f"{step.name}.json"
    if path.exists():
        record: dict[str, Any] = json.loads(path.read_text())
        if record["status"] == "done" and record["scale"] == scale:
            print(f"{step.name}: done before", flush=True)
            return record
        path.unlink()
    log = out / f"{step.name}.log"
    with log.open("w", encoding="utf-8") as printed:
        command = [sys.executable, "-m", "benchmarks.gpu.child", json.dumps(asdict(step)), str(out), scale, str(work)]
        child = psutil.Popen(command, stdout=printed, stderr=subprocess.STDOUT, start_new_session=True)
        status = wait(child, step.seconds)
    record = json.loads(path.read_text()) if path.exists() else _nothing(step, scale)
    if status != "done":
        last = log.read_text(encoding="utf-8", errors="replace").splitlines()[-LAST_LINES:]
        record |= {"status": status, "error": "\n".join(last)}
        write(path, record)
    print(f"{step.name}: {record['status']}, {record['seconds']:.0f} s", flush=True)
    return record


def wait(child: psutil.Popen, seconds: int) -> str:
    """Return "done", "failed: exit code 1" or "out of time: ..."; nothing that the step started outlives it, or us."""
    started: dict[int, psutil.Process] = {}
    end = time.monotonic() + seconds
    try:
        while time.monotonic() < end:
            started |= {process.pid: process for process in _children(child)}
            try:
                code = child.wait(timeout=1)
            except psutil.TimeoutExpired:
                continue
            return "done" if code == 0 else f"failed: exit code {code}"
        return f"out of time: {seconds} s"
    finally:
        for process in (*started.values(), child):
            try:
                if process.is_running():
                    process.kill()
            except psutil.Error:
                continue
        child.wait()
        psutil.wait_procs(list(started.values()), timeout=ENDING_SECONDS)


def _children(process: psutil.Process) -> list[psutil.Process]:
    try:
        return process.children(recursive=True)
    except psutil.Error:
        return []


def _nothing(step: Step, scale: str) -> dict[str, Any]:
    return {"step": step.name, "about": step.about, "scale": scale, **machine(), "seconds": 0.0, "figures": []}


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gpu", description=__doc__.split("\n\n")[0])
    parser.add_argument("--out", type=Path, default=BENCH / "gpu", help="folder for one JSON and one log per step")
    parser.add_argument("--work", type=Path, default=BENCH / "gpu-work", help="folder for weights and inputs")
    parser.add_argument("--scale", choices=list(SCALES), help="default: 7b with a GPU, nano without")
    parser.add_argument("--only", nargs="+", metavar="STEP", choices=[step.name for step in STEPS], help="these steps")
    parser.add_argument("--jobs", type=int, default=1, help="steps at once, in a dry run")
    parser.add_argument("--publish", action="store_true", help=f"write the table into {PAGE}")
    given = parser.parse_args(arguments)
    given.out, given.work = given.out.absolute(), given.work.absolute()
    return given


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # or a step would outlive a runner that is ended
    sys.exit(main())
