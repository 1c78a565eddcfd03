"""SIGKILL at many random points; afterwards the dataset must hold the bytes of an undisturbed run.

`python -m faults.kills --kills 100 --engine-kills 5 --seed 0` prints one line per round and exits 1 if a byte differs.
"""

import argparse
import contextlib
import hashlib
import random
import shutil
import sys
import tempfile
import time
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import psutil
from rich.console import Console
from rich.table import Table

from faults.files import write_shard
from faults.processes import Command, curate, last_words

__all__ = ["Round", "World", "play"]

CHEAP = "faults/recipe.py:cheap"
SMALL_SHARDS = ("-p", "samples_per_shard=8")  # so that an export is many files
TARGETS = ("driver", "worker", "raylet", "commit", "export")


@dataclass(frozen=True)
class Round:
    """One dataset, killed `kills` times before it was finished; `rerun_seconds` is the last, undisturbed run."""

    target: str
    kills: int
    points: list[str]
    rerun_seconds: float
    identical: bool
    kept: bool  # no cell that was committed before a kill changed
    orphans: list[str]  # processes that lived on for a minute
    message: str = ""  # the last that the user read


@dataclass(frozen=True)
class World:
    """Inputs and what an undisturbed run makes of them."""

    folder: Path
    inputs: Path
    recipe: tuple[str, ...] = (CHEAP,)

    @classmethod
    def make(cls, folder: Path, shards: int = 32) -> "World":
        for i in range(shards):
            write_shard(folder / "in" / f"{i:05d}.tar", [f"text {n}" for n in range(14)])
        return cls(folder, folder / "in")

    @classmethod
    def of_engine(cls, folder: Path) -> "World":
        """Return one nano shard's world; its reference is made by the real engine."""
        folder.mkdir(parents=True)
        return cls(folder, Path("nano/shards/world-000000.tar"), ("faults/recipe.py:captions", "--limit", "48"))

    def run(self, dataset: Path, *options: str) -> Command:
        return curate("run", *self.recipe, "--input", self.inputs, "--dataset", dataset, *options)

    def reference(self, *options: str) -> Path:
        """Return the dataset of an undisturbed run, with its export beside it."""
        name = "reference" + "".join(options).replace("-p", "-")
        dataset = self.folder / name
        if not dataset.exists():
            if options:  # decisions anew over the same cells
                shutil.copytree(self.reference(), dataset)
            code, stderr = self.run(dataset, *options).finish()
            if code:
                raise RuntimeError(stderr)
            curate("export", dataset, f"{dataset}-shards", *SMALL_SHARDS).finish()
        return dataset


def prints(*folders: Path) -> dict[str, str]:
    """Return a hash of every committed file under the folders."""
    files = [(f"{root.name}/{f.relative_to(root)}", f) for root in folders for f in root.rglob("*") if f.is_file()]
    return {name: hashlib.blake2b(f.read_bytes()).hexdigest() for name, f in files if not name.endswith(".part")}


def cells(dataset: Path) -> dict[str, str]:
    return prints(dataset / "columns", dataset / "errors")


def count(dataset: Path) -> int:
    return sum(1 for folder in ("columns", "errors") for _ in (dataset / folder).rglob("*.parquet"))


def play(world: World, target: str, kills: int, rng: random.Random, dataset: Path) -> Round:
    """Kill a run up to `kills` times, let it finish, compare it with the reference."""
    if target == "export":
        return play_export(world, kills, rng, dataset)
    options = ("-p", "bound=4") if target == "commit" else ()
    reference = world.reference(*options)
    if target == "commit":
        shutil.copytree(world.reference(), dataset)
    harm, commands, message = Harm(target, kills, rng, dataset), [], ""
    while True:
        started, command = time.monotonic(), world.run(dataset, *options)
        commands.append(command)
        harm.do(command)
        code, stderr = command.finish()
        if code == 0:
            break
        message = last_words(stderr)
        if len(commands) > 3 * kills + 3:
            raise RuntimeError(f"{target}: does not finish; exit code {code}: {message}")
    seconds, after = time.monotonic() - started, cells(dataset)
    orphans = [line for command in commands for line in command.orphans(60)]
    changed = [name for name, digest in harm.before.items() if after.get(name) != digest]
    same = after == cells(reference) and not list(dataset.rglob("*.part"))
    return Round(target, harm.done, harm.points, seconds, same, not changed, orphans, message)


@dataclass
class Harm:
    """Kills at random points: after a few more files, and a moment; `before` is what was committed by then."""

    target: str
    kills: int
    rng: random.Random
    dataset: Path
    done: int = 0
    points: list[str] = field(default_factory=list)
    before: dict[str, str] = field(default_factory=dict)

    def do(self, command: Command) -> None:
        """Kill the target: once, or workers as often as is left to do."""
        while self.done < self.kills:
            goal = count(self.dataset) + self.rng.randrange(STEPS.get(self.target, 6))
            if not command.wait(partial(self.due, command, goal)):
                return
            time.sleep(self.rng.uniform(0, DELAYS.get(self.target, 0.1)))
            victims = choose(command, self.target, self.rng)
            if not victims or command.process.poll() is not None:
                return
            self.before.update(cells(self.dataset))
            for victim in victims:
                kill(victim)
            self.done += 1
            self.points.append(str(len(self.before)))
            if self.target != "worker":
                return

    def due(self, command: Command, goal: int) -> bool:
        return count(self.dataset) >= goal and ready(command, self.target)


def ready(command: Command, target: str) -> bool:
    """Tell whether there is something to kill: workers exist once Ray is up."""
    return target in {"driver", "commit", "raylet"} or bool(command.named(*NAMES[target]))


STEPS = {"commit": 30, "engine": 1}  # files that may still be written before a kill; commits write one a shard
DELAYS = {"commit": 0.01, "engine": 20.0}  # seconds; an engine is up for twenty of them before it writes
NAMES = {"worker": ("ray::MapWorker", "ray::Map"), "engine": ("EngineCore",)}


def choose(command: Command, target: str, rng: random.Random) -> list[psutil.Process]:
    """Return the processes to kill."""
    if target in {"driver", "commit"}:
        return [command.process]
    if target == "raylet":
        return command.living()
    named = sorted(command.named(*NAMES[target]), key=lambda each: each.pid)
    return [rng.choice(named)] if named else []


def kill(process: psutil.Process) -> None:
    with contextlib.suppress(psutil.NoSuchProcess):
        process.kill()


def play_export(world: World, kills: int, rng: random.Random, dataset: Path) -> Round:
    """Kill an export again and again: what stands at its place is whole or not there."""
    reference, out, points, whole = world.reference(), dataset, [], True
    for _ in range(kills):
        command = curate("export", reference, out, *SMALL_SHARDS)
        part = out.with_name(f".{out.name}.part")
        command.wait(part.exists)
        time.sleep(rng.uniform(0, 1.5))
        kill(command.process)
        command.finish()
        points.append(str(len(list(part.rglob("*")))))
        whole &= not out.exists() or tree(out) == tree(Path(f"{reference}-shards"))
    started = time.monotonic()
    code, _ = curate("export", reference, out, *SMALL_SHARDS).finish()
    same = code == 0 and tree(out) == tree(Path(f"{reference}-shards")) and not part.exists()
    return Round("export", kills, points, time.monotonic() - started, same, whole, [])


def tree(folder: Path) -> list[str]:
    return sorted(name.partition("/")[2] + mark for name, mark in prints(folder).items())


def shares(kills: int) -> list[tuple[str, int]]:
    """Return rounds of a few kills each, of every kind."""
    order = ["raylet", "worker", "commit", "driver", "export", "worker", "commit", "export"]
    size = {"driver": 3, "worker": 6, "raylet": 2, "commit": 6, "export": 6}
    rounds, left = [], kills
    while left > 0:
        target = order[len(rounds) % len(order)]
        rounds.append((target, min(size[target], left)))
        left -= rounds[-1][1]
    return rounds


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--engine-kills", type=int, default=0, help="kills of the real vLLM engine on the nano VLM")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", choices=TARGETS)
    options = parser.parse_args()
    rng, console = random.Random(options.seed), Console(width=200)
    rounds, total = [], 0
    with tempfile.TemporaryDirectory(prefix="curate-kills-") as name:
        world = World.make(Path(name))
        plan = shares(options.kills) if not options.only else [(options.only, options.kills)]
        started = time.monotonic()
        while total < options.kills:
            target, size = plan[len(rounds) % len(plan)]
            dataset = world.folder / f"round-{len(rounds)}"
            rounds.append(play(world, target, min(size, options.kills - total), rng, dataset))
            total += rounds[-1].kills
            shutil.rmtree(dataset, ignore_errors=True)
            console.print(rounds[-1], soft_wrap=True)
        if options.engine_kills:
            vlm, left = World.of_engine(Path(name) / "vlm"), options.engine_kills
            while left > 0:
                rounds.append(play(vlm, "engine", min(left, 3), rng, vlm.folder / f"round-{len(rounds)}"))
                left -= rounds[-1].kills
                console.print(rounds[-1], soft_wrap=True)
        seconds = time.monotonic() - started
    console.print(table(rounds))
    console.print(f"{sum(each.kills for each in rounds)} kills in {seconds:.0f} s, seed {options.seed}")
    return int(any(not (each.identical and each.kept) or each.orphans for each in rounds))


def table(rounds: list[Round]) -> Table:
    """Return one line per round."""
    lines = Table(box=None, pad_edge=False)
    for name in (
        "killed",
        "times",
        "with so many files there",
        "re-run s",
        "bytes identical",
        "committed kept",
        "orphans",
        "what the user read last",
    ):
        lines.add_column(name)
    for each in rounds:
        yes = ["yes" if answer else "NO" for answer in (each.identical, each.kept)]
        points = " ".join(each.points)
        counts = [f"{each.rerun_seconds:.1f}", *yes, str(len(each.orphans))]
        lines.add_row(each.target, str(each.kills), points, *counts, each.message[:200])
    return lines


if __name__ == "__main__":
    sys.exit(main())
