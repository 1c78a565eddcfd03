"""Tune a worn nano VLM by TRL's SFTTrainer on alt texts, dense captions, and fused and verified captions.

    python -m nano.proofs.sft --seeds 3

The model starts with its last three decoder layers anew (`nano.proofs.worn`), one start per seed for all arms; the
vision tower is frozen. Rows are the pool's images with the text that an arm learns to say: the alt text, what the nano
VLM wrote alone, or what `densefusion` made of it with experts and checks. `none` is the start.
"""

import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Final

from nano.proofs.arms import Proof, options, prove, train_arms
from nano.proofs.captions import caption_rows
from nano.proofs.clip import make_pool
from nano.proofs.vlm import METRICS, Budget, Rows, train_vlm
from nano.proofs.worn import Wear, wear

__all__ = ["SCALES"]

NANO: Final = Budget("world-00000[0-5].tar", Wear(fresh_layers=3), steps=60, batch=4, learning_rate=1e-3, held_out=96)
SCALES: Final = {
    "dry": replace(NANO, tars="world-000000.tar", steps=2, batch=2, held_out=4),
    "nano": NANO,
    "big": replace(NANO, tars="world-0000*.tar", steps=1_000, batch=16, held_out=512),
}


def main() -> None:
    """Run the proof."""
    chosen = options(__doc__, "trl")
    budget = SCALES[chosen.scale]
    make_pool(chosen)
    rows = {name: Rows("sft", folder) for name, folder in caption_rows(chosen, budget.tars).items()}
    rows["none"] = Rows("none")

    def train(arm: str, seed: int, folder: Path) -> Mapping[str, float | None]:
        start = wear(budget.start, seed, chosen.out / "starts" / f"sft-{seed}")
        return train_vlm(start, rows[arm], budget, chosen, folder)

    train_arms(Proof("sft", tuple(rows), METRICS, budget.given), chosen, train)


if __name__ == "__main__":
    sys.exit(prove(main))
