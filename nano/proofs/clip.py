"""Train open_clip models from scratch on a noisy pool: as it is, filtered by us, and ideal (by the truth).

    python -m nano.proofs.clip --seeds 3

A pool of the nano world (`nano.proofs.pool`) is curated and exported by the command line as a user types it, the model
of `proof-clip.json` trained on the exported tars by open_clip's own trainer. It is open_clip too that measures: the
recall of captions by images, and of images by captions, among held-out scenes.
"""

import json
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from nano.proofs.arms import CURATE, Options, Proof, call, options, prove, train_arms
from nano.proofs.pool import keys_of_captions, write_held_out, write_pool

__all__ = ["METRICS", "RECIPES", "SCALES", "Budget", "Phase", "export", "make_pool", "train_phases"]

RECIPES: Final = "nano/proofs/recipes.py"
METRICS: Final = ("image_to_text_R@1", "text_to_image_R@1", "image_to_text_R@10", "text_to_image_R@10")


@dataclass(frozen=True, slots=True)
class Budget:
    """What every arm gets: the model and the samples that it sees; the pool and the scenes it is measured on."""

    pool: int
    held_out: int
    model: str
    samples_seen: int
    batch: int
    learning_rate: float
    warmup_steps: int
    schedule: str = "cosine"


SCALES: Final = {
    "dry": Budget(40, 20, "nano/proofs/proof-clip.json", 8, 2, 1e-3, 1),
    "nano": Budget(6_000, 500, "nano/proofs/proof-clip.json", 7_680, 64, 1e-3, 20),
    "big": Budget(100_000, 1_000, "nano/clip/nano-clip.json", 1_024_000, 512, 1e-3, 200),
}


@dataclass(frozen=True, slots=True)
class Phase:
    """A part of a training: samples seen of a folder of exported tars."""

    shards: Path
    samples_seen: int


def make_pool(chosen: Options) -> Path:
    """Write the pool and the held-out scenes of a scale, if they are not there; returns their folder."""
    budget, out = SCALES[chosen.scale], chosen.out
    if not (out / "pool" / "truth.jsonl").exists():
        write_pool(out / "pool", budget.pool)
    if not (out / "held-out" / "truth.jsonl").exists():
        write_held_out(out / "held-out", budget.held_out)
    return out


def export(chosen: Options, recipe: str, name: str, *more: str) -> Path:
    """Run a recipe over the pool and export what it keeps, as a user does, if that is not there; returns the folder."""
    out, shards = chosen.out, chosen.out / "shards" / name
    if not any(shards.rglob("export.json")):
        call(CURATE, "run", f"{RECIPES}:{recipe}", "--input", out / "pool/world-*.tar", "--dataset", out / "pairs")
        call(CURATE, "export", out / "pairs", shards, "-p", "samples_per_shard=500", *more)
    return shards


def train_phases(
    phases: tuple[Phase, ...], budget: Budget, chosen: Options, seed: int, folder: Path
) -> dict[str, float]:
    """Train one model by open_clip's trainer, phase by phase, and return what it measured at the end.

    Between phases it goes on from its checkpoint, optimiser and all.
    """
    fixed = [
        *("--model", Path(budget.model).stem, "--dataset-type", "webdataset", "--batch-size", str(budget.batch)),
        *("--lr", str(budget.learning_rate), "--warmup", str(budget.warmup_steps), "--wd", "0.1", "--seed", str(seed)),
        *("--lr-scheduler", budget.schedule, "--precision", "amp_bf16", "--device", chosen.device),
        *("--workers", "0" if chosen.device == "cpu" else "4", "--logs", str(folder), "--name", "run"),
        *("--val-data", _tars(chosen.out / "held-out"), "--val-num-samples", str(budget.held_out)),
    ]
    for number, phase in enumerate(phases, start=1):
        part = ["--train-data", _tars(phase.shards), "--train-num-samples", str(phase.samples_seen)]
        part += ["--epochs", str(number), "--val-frequency", str(len(phases))]
        part += ["--resume", "latest"] if number > 1 else []
        trainer = [chosen.python, "-m", "nano.proofs.open_clip_trainer", budget.model]
        call(*trainer, *fixed, *part, log=folder / "trainer.log")
    lines = (folder / "run" / "checkpoints" / "results.jsonl").read_text().splitlines()
    found = json.loads(lines[-1])
    for checkpoint in folder.rglob("*.pt"):
        checkpoint.unlink()
    return {name: round(found[name], 4) for name in METRICS}


def _tars(folder: Path) -> str:
    """Return the tars of a folder in webdataset's notation."""
    names = sorted(path.name for path in folder.glob("*.tar"))
    return f"{folder}/{names[0]}" if len(names) == 1 else f"{folder}/{{{','.join(names)}}}"


def main() -> None:
    """Run the proof."""
    chosen = options(__doc__, "open_clip")
    pool = make_pool(chosen) / "pool"
    keys = ",".join(f"'{key}'" for key in keys_of_captions(pool))
    shards = {
        "raw": export(chosen, "raw", "raw"),
        "ideal": export(chosen, "raw", "ideal", "--where", f"key IN ({keys})"),
        "filtered": export(chosen, "filtered", "filtered"),
    }
    budget = SCALES[chosen.scale]
    proof = Proof("clip", ("raw", "filtered", "ideal"), METRICS, asdict(budget))

    def train(arm: str, seed: int, folder: Path) -> dict[str, float]:
        return train_phases((Phase(shards[arm], budget.samples_seen),), budget, chosen, seed, folder)

    train_arms(proof, chosen, train)


if __name__ == "__main__":
    sys.exit(prove(main))
