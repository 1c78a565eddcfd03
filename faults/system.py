"""Faults of the system, with what the user reads and what running again gives: `python -m faults.system`."""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow.parquet as pq
from rich.console import Console
from rich.table import Table

from faults.kills import World, cells, count
from faults.processes import ROOT, Command, curate, last_words

__all__ = ["FAULTS", "Outcome"]


@dataclass(frozen=True)
class Outcome:
    """What happened: exit code, the last line on stderr, and whether a run afterwards gave the reference's bytes."""

    fault: str
    code: int
    message: str
    identical: bool
    orphans: list[str]


def outcome(fault: str, world: World, dataset: Path, command: Command) -> Outcome:
    """Wait for the disturbed command, run again, compare."""
    code, text = command.finish()
    again, stderr = world.run(dataset).finish()
    if again:
        raise RuntimeError(f"{fault}: running again ends with {again}: {stderr}")
    same = cells(dataset) == cells(world.reference()) and not list(dataset.rglob("*.part"))
    return Outcome(fault, code, last_words(text) if code else "nothing", same, command.orphans())


def interrupted(world: World, dataset: Path, number: signal.Signals) -> Outcome:
    """Send Ctrl-C, or the SIGTERM of a preempted machine, in the middle of a run."""
    command = world.run(dataset)
    command.wait(lambda: count(dataset) >= 3)
    command.process.send_signal(number)
    return outcome(number.name, world, dataset, command)


def disk_full(world: World, dataset: Path) -> Outcome:
    """Fill the disk, then make room again."""
    with tmpfs(dataset, "size=160k"):
        command = world.run(dataset)
        code, text = command.finish()
        subprocess.run(["mount", "-o", "remount,size=16m", dataset], check=True)
        again = outcome("disk full", world, dataset, world.run(dataset))
    return Outcome("disk full", code, last_words(text), again.identical, command.orphans())


def read_only(world: World, dataset: Path) -> Outcome:
    """Forbid writing to the folder, then allow it."""
    with tmpfs(dataset, "size=16m,ro"):
        command = world.run(dataset)
        code, text = command.finish()
        subprocess.run(["mount", "-o", "remount,rw", dataset], check=True)
        again = outcome("read-only", world, dataset, world.run(dataset))
    return Outcome("read-only folder", code, last_words(text), again.identical, command.orphans())


def two_drivers(world: World, dataset: Path) -> Outcome:
    """Start a second driver while the first one works."""
    first = world.run(dataset)
    first.wait((dataset / "runs").exists)
    code, text = world.run(dataset).finish()
    return Outcome("two drivers", code, last_words(text), outcome("", world, dataset, first).identical, [])


def damaged(world: World, dataset: Path, harm: Callable[[bytes], bytes], fault: str) -> Outcome:
    """Damage a committed cell; `curate verify` says so, `--repair` and a run mend it."""
    shutil.copytree(world.reference(), dataset)
    cell = sorted((dataset / "columns").glob("image_facts*/*.parquet"))[7]
    cell.write_bytes(harm(cell.read_bytes()))
    code, text = curate_text("verify", dataset)
    curate_text("verify", dataset, "--repair")
    again = outcome(fault, world, dataset, world.run(dataset))
    return Outcome(fault, code, text.replace("\n", "; "), again.identical, [])


def flipped(data: bytes) -> bytes:
    middle = len(data) // 3
    return data[:middle] + bytes([data[middle] ^ 4]) + data[middle + 1 :]


def clock_jump(world: World, dataset: Path) -> Outcome:
    """Stop a run, date all it wrote a year ahead, as after a clock that was set back, and run again."""
    command = world.run(dataset)
    command.wait(lambda: count(dataset) >= 5)
    command.process.kill()
    command.finish()
    for file in dataset.rglob("*"):
        os.utime(file, (time.time() + 3e7,) * 2)
    return outcome("clock set back by a year", world, dataset, world.run(dataset))


def sample_faults(world: World, dataset: Path) -> Outcome:
    """Let an expert raise, hang, run out of memory, be killed, fault and return NaN, each on one sample."""
    source = sorted(world.inputs.glob("*.tar"))[0]
    kind = dataset.with_name("kind")
    code, _ = curate("run", "faults/recipe.py:faulty", "--input", source, "--dataset", dataset).finish()
    curate("run", "faults/recipe.py:faulty", "-p", "kind=true", "--input", source, "--dataset", kind).finish()
    _, text = curate_text("errors", dataset)
    ours, whole = (pq.read_table(next(each.glob("columns/faulty*/*"))).to_pylist() for each in (dataset, kind))
    same = [row for row in whole if row["row"] > 5] == [row for row in ours if row["row"] > 5]
    lost = [row["error_code"] for row in ours[:6]]
    expected = ["expert_failed", "expert_hung", "out_of_memory", "expert_crashed", "expert_crashed", "not_a_number"]
    return Outcome("expert raises, hangs, ...", code, f"curate errors:\n{text}", same and lost == expected, [])


def curate_text(*arguments: object) -> tuple[int, str]:
    """Run `curate ARGUMENTS` and return exit code and all that it wrote."""
    command = [sys.executable, "-m", "curate.cli", *map(str, arguments)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "160"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    return done.returncode, (done.stdout + done.stderr).strip()


@contextlib.contextmanager
def tmpfs(folder: Path, options: str) -> Iterator[None]:
    folder.mkdir(parents=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "curate-faults", folder], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", folder], check=True)


FAULTS: dict[str, Callable[[World, Path], Outcome]] = {
    "SIGINT": lambda world, dataset: interrupted(world, dataset, signal.SIGINT),
    "SIGTERM": lambda world, dataset: interrupted(world, dataset, signal.SIGTERM),
    "two drivers": two_drivers,
    "disk full": disk_full,
    "read-only": read_only,
    "cut cell": lambda world, dataset: damaged(world, dataset, lambda data: data[: len(data) // 2], "cell cut in half"),
    "flipped bit": lambda world, dataset: damaged(world, dataset, flipped, "one bit of a cell flipped"),
    "clock": clock_jump,
    "samples": sample_faults,
}


def main() -> int:
    shown = Table(box=None, pad_edge=False)
    for name in ("fault", "exit code", "what the user sees", "bytes identical afterwards", "orphans"):
        shown.add_column(name)
    bad = 0
    with tempfile.TemporaryDirectory(prefix="curate-faults-") as name:
        world = World.make(Path(name), shards=16)
        for fault in sys.argv[1:] or FAULTS:
            dataset = world.folder / fault.replace(" ", "-")
            result = FAULTS[fault](world, dataset)
            bad += not result.identical or bool(result.orphans)
            same = "yes" if result.identical else "NO"
            shown.add_row(result.fault, str(result.code), result.message, same, str(len(result.orphans)))
            Console().print(result, soft_wrap=True)
            shutil.rmtree(dataset, ignore_errors=True)
    Console(width=200).print(shown)
    return int(bad > 0)


if __name__ == "__main__":
    sys.exit(main())
