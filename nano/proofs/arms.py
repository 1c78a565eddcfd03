"""Train every arm of a proof with every seed on the same budget, once, and set the results side by side.

A result is a file `OUT/PROOF/ARM-SEED.json`; one that is there is not made again, so a proof goes on where it was
stopped. All results of a proof were trained with the same budget, which each file holds.
"""

import argparse
import json
import os
import shlex
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeAlias

from curate.errors import CurateError, PlanError

__all__ = ["CURATE", "Options", "Proof", "Train", "call", "options", "prove", "read_results", "report", "train_arms"]

CURATE: Final = str(Path(sys.executable).with_name("curate"))
Train: TypeAlias = Callable[[str, int, Path], Mapping[str, float | None]]
"""Trains an arm with a seed in an empty folder; returns its metrics."""


@dataclass(frozen=True, slots=True)
class Proof:
    """What is compared: `arms` in the order of the table, the first the one the others are held against.

    `budget` is what every arm gets: JSON, samples seen among it.
    """

    name: str
    arms: tuple[str, ...]
    metrics: tuple[str, ...]
    budget: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Options:
    """Where and how large: `python` is that of the trainer's own environment."""

    out: Path
    seeds: int
    scale: str
    device: str
    python: Path


def options(doc: str | None, trainer: str) -> Options:
    """Read the command line that all proofs share.

    Raises PlanError if the trainer's environment is not there, or the scale is too large for a CPU.
    """
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("out/proofs"))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--scale", choices=["dry", "nano", "big"], default="nano", help="big is for a GPU")
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    python = Path(f"build/consumers/{trainer}/bin/python")
    parser.add_argument("--python", type=Path, default=python, help=f"of an environment with {trainer}")
    args = parser.parse_args()
    if not args.python.exists():
        raise PlanError(f"there is no {args.python}: `make proofs` builds it, or name one with --python")
    if args.scale == "big" and args.device == "cpu":
        raise PlanError("--scale big takes days on a CPU: give --device cuda too, or another scale")
    return Options(args.out / args.scale, args.seeds, args.scale, args.device, args.python)


def prove(main: Callable[[], None]) -> int:
    """Run a proof and return its exit code: what a user can mend is one sentence and 2."""
    try:
        main()
    except CurateError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


def call(*words: str | Path, log: Path | None = None) -> None:
    """Run a command from the root of the repository, with its words printed; `log` takes what it says.

    Raises PlanError if it fails.
    """
    command = [str(word) for word in words]
    print("$", shlex.join(command)[:1000], flush=True)
    environment = {"OMP_NUM_THREADS": "1", **os.environ, "TOKENIZERS_PARALLELISM": "false"}
    if log is None:
        code = subprocess.run(command, env=environment, check=False).returncode
    else:
        with log.open("a") as file:
            code = subprocess.run(command, env=environment, stdout=file, stderr=file, check=False).returncode
    if code:
        raise PlanError(f"`{shlex.join(command[:4])} ...` ended with {code}{f'; see {log}' if log else ''}")


def train_arms(proof: Proof, chosen: Options, train: Train) -> None:
    """Train what has no result yet, seed by seed, and print the table after each seed.

    Raises PlanError if a result is there that had another budget.
    """
    results = read_results(proof, chosen)
    for seed in range(chosen.seeds):
        for arm in proof.arms:
            if (arm, seed) in results:
                continue
            folder = chosen.out / proof.name / f"{arm}-{seed}"
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
            began = time.time()
            found = {"metrics": dict(train(arm, seed, folder)), "seconds": round(time.time() - began, 1)}
            results[arm, seed] = {"arm": arm, "seed": seed, "budget": dict(proof.budget), **found}
            part = folder.with_suffix(".part")
            part.write_text(json.dumps(results[arm, seed], indent=1) + "\n")
            part.replace(folder.with_suffix(".json"))
        print(report(proof, results), flush=True)


def read_results(proof: Proof, chosen: Options) -> dict[tuple[str, int], dict[str, Any]]:
    """Return the results that are there, by arm and seed; raises PlanError if one had another budget."""
    found = {}
    for path in sorted((chosen.out / proof.name).glob("*-*.json")):
        result = json.loads(path.read_text())
        if result["budget"] != json.loads(json.dumps(proof.budget)):
            raise PlanError(f"{path} was trained with another budget, {result['budget']}: remove it, or choose --out")
        if result["arm"] in proof.arms and result["seed"] < chosen.seeds:
            found[result["arm"], result["seed"]] = result
    return found


def report(proof: Proof, results: Mapping[tuple[str, int], Mapping[str, Any]]) -> str:
    """Return Markdown: a line per arm, mean and standard deviation over its seeds; then the differences.

    A difference to the first arm is taken seed by seed; `n of m` are the seeds in which the arm is higher.
    """
    first = proof.arms[0]
    lines = [["arm", "seeds", *proof.metrics], ["---"] * (2 + len(proof.metrics))]
    for arm in proof.arms:
        values = [result["metrics"] for (name, _), result in results.items() if name == arm]
        lines.append([arm, len(values), *(_spread([value[name] for value in values]) for name in proof.metrics)])
    for arm in proof.arms[1:]:
        seeds = [seed for name, seed in results if name == arm and (first, seed) in results]
        pairs = [(results[arm, seed]["metrics"], results[first, seed]["metrics"]) for seed in seeds]
        lines.append([f"{arm} - {first}", len(pairs), *(_difference(pairs, name) for name in proof.metrics)])
    rows = "\n".join(map(_line, lines))
    return f"\n### {proof.name}: {json.dumps(proof.budget)}\n\n{rows}\n"


def _difference(pairs: Sequence[tuple[Mapping[str, float], Mapping[str, float]]], name: str) -> str:
    steps = [a[name] - b[name] for a, b in pairs if a[name] is not None and b[name] is not None]
    return f"{_spread(steps)} ({sum(step > 0 for step in steps)} of {len(steps)})" if steps else "-"


def _spread(values: Sequence[float | None]) -> str:
    known = [value for value in values if value is not None]
    if not known:
        return "-"
    return f"{statistics.mean(known):.3f}" + (f" ± {statistics.stdev(known):.3f}" if len(known) > 1 else "")


def _line(cells: Sequence[Any]) -> str:
    return "| " + " | ".join(map(str, cells)) + " |"
