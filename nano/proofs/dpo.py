"""Tune a worn nano VLM by TRL's DPOTrainer on STIC's pairs, on pairs of typed errors, or not at all.

    python -m nano.proofs.dpo --seeds 3

The model is the nano VLM with noise in its decoder layers (`nano.proofs.worn`): fluent, and it errs. As in STIC it
writes the pairs for its own training, by the recipe `stic`. `edits` are its captions with hints against the same with
one thing wrong (docs/preference-pairs.md). All seeds start from one model; a seed is the order of the pairs. `none` is
the start.
"""

import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Final

from nano.proofs.arms import Proof, options, prove, train_arms
from nano.proofs.captions import pair_rows
from nano.proofs.clip import make_pool
from nano.proofs.vlm import METRICS, Budget, Rows, train_vlm
from nano.proofs.worn import Wear, wear

__all__ = ["SCALES"]

NANO: Final = Budget("world-00000[0-3].tar", Wear(noise=0.2), steps=40, batch=4, learning_rate=3e-5, held_out=96)
SCALES: Final = {
    "dry": replace(NANO, tars="world-000000.tar", steps=2, batch=2, held_out=4),
    "nano": NANO,
    "big": replace(NANO, tars="world-0000*.tar", steps=500, batch=16, held_out=512),
}


def main() -> None:
    """Run the proof."""
    chosen = options(__doc__, "trl")
    budget = SCALES[chosen.scale]
    make_pool(chosen)
    start = wear(budget.start, 0, chosen.out / "starts" / "dpo")
    rows = {"none": Rows("none")}
    rows |= {name: Rows("dpo", folder) for name, folder in pair_rows(chosen, budget.tars, start).items()}

    def train(arm: str, seed: int, folder: Path) -> Mapping[str, float | None]:
        return train_vlm(start, rows[arm], budget, chosen, folder)

    train_arms(Proof("dpo", tuple(rows), METRICS, budget.given), chosen, train)


if __name__ == "__main__":
    sys.exit(prove(main))
