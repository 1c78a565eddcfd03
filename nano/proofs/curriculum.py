"""Train open_clip models on tiers of a curriculum in order, against the same samples shuffled.

    python -m nano.proofs.curriculum --seeds 3

The pool is cut by one score into SAIL-VL's tiers, 21 : 12 : 3.5, and exported with `--by curriculum_tier`; one pass
goes through the tiers, the learning rate constant after its warm-up. `rising`: the texts that match worst first, the
best last, as the relevance of SAIL-VL's tiers rises; `falling`: the same backwards; `shuffled`: one pass over all.
"""

import sys
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Final

from nano.proofs.arms import Options, Proof, options, prove, train_arms
from nano.proofs.clip import METRICS, SCALES, Phase, export, make_pool, train_phases

__all__ = ["SHARES", "phases"]

SHARES: Final = (21.0, 12.0, 3.5)


def main() -> None:
    """Run the proof."""
    chosen = options(__doc__, "open_clip")
    make_pool(chosen)
    arms = phases(chosen)
    budget = replace(SCALES[chosen.scale], samples_seen=sum(part.samples_seen for part in arms["shuffled"]))
    budget = replace(budget, schedule="const")

    def train(arm: str, seed: int, folder: Path) -> Mapping[str, float]:
        return train_phases(arms[arm], budget, chosen, seed, folder)

    train_arms(Proof("curriculum", tuple(arms), METRICS, asdict(budget)), chosen, train)


def phases(chosen: Options) -> dict[str, tuple[Phase, ...]]:
    """Export the tiers and return what each arm sees, in order: whole batches, each sample about once."""
    budget = SCALES[chosen.scale]
    everything = export(chosen, "raw", "raw")
    tiers = export(chosen, "tiers", "tiers", "--by", "curriculum_tier")
    steps = [max(1, round(budget.pool * share / sum(SHARES) / budget.batch)) for share in SHARES]
    rising = tuple(
        Phase(tiers / f"curriculum_tier-{number}", count * budget.batch) for number, count in enumerate(steps, start=1)
    )
    return {
        "shuffled": (Phase(everything, sum(steps) * budget.batch),),
        "rising": rising,
        "falling": tuple(reversed(rising)),
    }


if __name__ == "__main__":
    sys.exit(prove(main))
