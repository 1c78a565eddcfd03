"""Faults of the system, with what the user reads and what running again gives: `python -m faults.system`."""

import contextlib
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from faults.kills import World, cells, count
from faults.processes import Command, last_words

__all__ = ["FAULTS", "Outcome", "disk_full", "interrupted", "read_only", "two_drivers"]


@dataclass(frozen=True)
class Outcome:
    """What happened: exit code, the last line on stderr, and whether a run afterwards gave the reference's bytes."""

    fault: str
    code: int
    said: str
    identical: bool
    orphans: list[str]


def outcome(fault: str, world: World, dataset: Path, command: Command) -> Outcome:
    """Wait for the disturbed command, run again, compare."""
    code, said = command.finish()
    again, words = world.run(dataset).finish()
    if again:
        raise RuntimeError(f"{fault}: running again ends with {again}: {words}")
    same = cells(dataset) == cells(world.reference()) and not list(dataset.rglob("*.part"))
    return Outcome(fault, code, last_words(said), same, command.orphans())


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
        code, said = command.finish()
        subprocess.run(["mount", "-o", "remount,size=16m", dataset], check=True)
        again = outcome("disk full", world, dataset, world.run(dataset))
    return Outcome("disk full", code, last_words(said), again.identical, command.orphans())


def read_only(world: World, dataset: Path) -> Outcome:
    """Forbid writing to the folder, then allow it."""
    with tmpfs(dataset, "size=16m,ro"):
        command = world.run(dataset)
        code, said = command.finish()
        subprocess.run(["mount", "-o", "remount,rw", dataset], check=True)
        again = outcome("read-only", world, dataset, world.run(dataset))
    return Outcome("read-only folder", code, last_words(said), again.identical, command.orphans())


def two_drivers(world: World, dataset: Path) -> Outcome:
    """Start a second driver while the first one works."""
    first = world.run(dataset)
    first.wait((dataset / "runs").exists)
    code, said = world.run(dataset).finish()
    return Outcome("two drivers", code, last_words(said), outcome("", world, dataset, first).identical, [])


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
            found = FAULTS[fault](world, dataset)
            bad += not found.identical or bool(found.orphans)
            same = "yes" if found.identical else "NO"
            shown.add_row(found.fault, str(found.code), found.said, same, str(len(found.orphans)))
            Console().print(found, soft_wrap=True)
            shutil.rmtree(dataset, ignore_errors=True)
    Console(width=200).print(shown)
    return int(bad > 0)


if __name__ == "__main__":
    sys.exit(main())
