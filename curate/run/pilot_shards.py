"""Which samples a pilot measures: the first of some shards that are spread evenly over the source."""

import math
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Final

from curate.errors import PlanError
from curate.sources import count
from curate.sources.shard import Shard

__all__ = ["pilot_limit", "pilot_shards"]

SPREAD: Final = 8  # shards of a pilot, or more where these have too few samples


def pilot_shards(shards: Sequence[Shard], samples: int) -> list[Shard]:
    """Return shards cut to equally many first samples, of about `samples` in all, or all there are.

    The same source gives the same ones. Raises PlanError if `samples` is not positive.
    """
    if samples < 1:
        raise PlanError(f"--pilot {samples} measures nothing; give 1 or more, 500 is usual")
    wanted = min(SPREAD, len(shards))
    while True:
        rows = math.ceil(samples / max(wanted, 1))
        chosen = [replace(shards[(2 * i + 1) * len(shards) // (2 * wanted)], limit=rows) for i in range(wanted)]
        with ThreadPoolExecutor(SPREAD) as threads:
            found = sum(threads.map(count, chosen))
        if found >= samples or wanted == len(shards):
            return chosen
        wanted = min(len(shards), max(wanted + 1, math.ceil(wanted * samples / max(found, 1))))


def pilot_limit(shards: Sequence[Shard]) -> str:
    """Return what tells the decisions of a pilot from those of runs over whole shards."""
    return f"the first {shards[0].limit} of a shard" if shards else "nothing"
