"""Where the seconds of a small run go: `python -m benchmarks.startup [RECIPE] [-p PATH=VALUE ...]`."""

import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from unittest.mock import patch

import psutil

from benchmarks.contest import python
from benchmarks.data import BENCH, tars

__all__ = ["main"]

OUT = BENCH / "startup"
LOOK_SECONDS = 0.05


def main(recipe: str = "datacomp_basic", parameters: Sequence[str] = ()) -> None:
    """Run a recipe over 16 samples: print when the driver gets where, then the processor seconds of each process."""
    shutil.rmtree(OUT, ignore_errors=True)
    inputs = [part for path in tars(2, rows=8) for part in ("--input", str(path))]
    command = python("benchmarks.startup", "--child", "run", recipe, *inputs, "--dataset", OUT, *parameters)
    print("seconds  driver's CPU")
    start, child = time.time(), psutil.Popen(command, stdout=subprocess.DEVNULL)
    used: dict[int, tuple[float, str, float]] = {}
    while child.poll() is None:
        for process in [child, *child.children(recursive=True)]:
            try:
                times = process.cpu_times()
                used[process.pid] = (process.create_time() - start, name_of(process), times.user + times.system)
            except psutil.Error:  # it ended meanwhile
                continue
        time.sleep(LOOK_SECONDS)
    print(f"{time.time() - start:7.2f}  ended\n\nstarted  CPU s")
    for began, name, seconds in sorted(used.values()):
        print(f"{began:7.2f}  {seconds:5.2f}  {name}")
    print(f"{'':7}  {sum(seconds for _, _, seconds in used.values()):5.2f}  together")


def name_of(process: psutil.Process) -> str:
    """Return the program of a process: Ray's workers say what they are in the place of their command."""
    words = [Path(word).name for word in process.cmdline() if not word.startswith("-")] or [process.name()]
    return " ".join(words[: 1 if words[0].startswith("ray::") else 2])[:60]


def timed(call: Callable[..., Any], name: str) -> Callable[..., Any]:
    """Return a function that says when it begins and when it is through."""

    def run(*given: Any, **named: Any) -> Any:
        mark(f"{name} begins")
        try:
            return call(*given, **named)
        finally:
            mark(f"{name} is through")

    return run


def mark(what: str) -> None:
    since = time.time() - psutil.Process().create_time()
    sys.stderr.write(f"{since:7.2f}  {time.process_time():5.2f}  {what}\n")


def watched(arguments: Sequence[str]) -> None:
    """Run the command line in this process, with its milestones on stderr."""
    mark("Python is up")
    from curate import cli

    mark("command line imported")
    import ray

    from curate.run import ray_plan, runner
    from curate.run.pools import Pools

    mark("run and Ray imported")
    outcome = Pools._outcome

    def said(pools: Pools, index: int, member: Any, ref: Any) -> Any:
        what = "worker ready" if member.ready is not None else "shard done"
        result = outcome(pools, index, member, ref)
        mark(what)
        return result

    sys.argv = ["curate", *arguments]
    with (
        patch.object(runner, "run", timed(runner.run, "run")),
        patch.object(ray, "init", timed(ray.init, "ray.init")),
        patch.object(ray, "shutdown", timed(ray.shutdown, "ray.shutdown")),
        patch.object(ray_plan, "make_pools", timed(ray_plan.make_pools, "pools")),
        patch.object(Pools, "_outcome", said),
    ):
        cli.main()


if __name__ == "__main__":
    if sys.argv[1:2] == ["--child"]:
        watched(sys.argv[2:])
    else:
        main(sys.argv[1] if len(sys.argv) > 1 else "datacomp_basic", sys.argv[2:])
