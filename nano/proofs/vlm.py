"""What the proofs that train a VLM share: budgets, and one training as a process of the trainer's environment."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final, Literal

from nano.proofs.arms import Options, call
from nano.proofs.worn import Wear

__all__ = ["METRICS", "Budget", "Rows", "train_vlm"]

METRICS: Final = (
    "object_recall",
    "hallucination_rate",
    "position_accuracy",
    "count_accuracy",
    "sign_text_recall",
    "words_per_caption",
)


@dataclass(frozen=True, slots=True)
class Budget:
    """What every arm gets: the start, how often it is trained on how many rows, and the scenes it is measured on.

    `tars` are those of the pool whose images are captioned.
    """

    tars: str
    start: Wear
    steps: int
    batch: int
    learning_rate: float
    held_out: int

    @property
    def given(self) -> dict[str, object]:
        """As a result holds it."""
        return {**asdict(self), "samples_seen": self.steps * self.batch}


@dataclass(frozen=True, slots=True)
class Rows:
    """A folder of exported Parquet files, and the trainer that reads them.

    Of `task` none nothing is read and nothing trained.
    """

    task: Literal["none", "sft", "dpo"]
    folder: Path = Path()


def train_vlm(start: Path, rows: Rows, budget: Budget, chosen: Options, folder: Path) -> Mapping[str, float | None]:
    """Train one model by TRL in its own environment, in `folder`; returns what its captions are worth.

    The seed of the order of the rows is the number at the end of the folder's name.
    """
    job = {
        "task": rows.task,
        "model": str(start),
        "rows": str(rows.folder),
        "steps": budget.steps,
        "batch": budget.batch,
        "learning_rate": budget.learning_rate,
        "seed": int(folder.name.rpartition("-")[2]),
        "device": chosen.device,
        "held_out": budget.held_out,
    }
    path = folder / "job.json"
    path.write_text(json.dumps(job, indent=1) + "\n")
    call(chosen.python, "-m", "nano.proofs.trl_trainer", path, log=folder / "trainer.log")
    found = json.loads((folder / "metrics.json").read_text())
    return {name: found[name] for name in METRICS}
