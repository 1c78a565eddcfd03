"""Predict the error of training on buckets of data that lose utility when they are seen again.

Source: Goyal et al. 2024, "Scaling laws for data filtering" (arXiv 2404.07177), and the code beside it,
locuslab/scaling_laws_data_filtering, whose parametrisation this is. The worked example:

>>> law = Law(scale=0.02, irreducible_error=0.1)
>>> best, rest = Bucket("top 10 %", 12_800_000, -0.2, 2.0), Bucket("next 10 %", 12_800_000, -0.15, 2.0)
>>> [len(best_pool([rest, best], law, seen).buckets) for seen in (12_800_000, 640_000_000)]
[1, 2]
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
import numpy.typing as npt

from curate.errors import PlanError

__all__ = ["Bucket", "Law", "PoolError", "best_pool", "compare_pools", "pool_error", "sort_buckets"]

Floats = npt.NDArray[np.float64]

BLOCK_EPOCHS: Final = 1 << 20  # epochs that are summed at once
MOST_EPOCHS: Final = 100_000_000  # beyond them a budget is a slip of the pen
SPENT_HALF_LIVES: Final = 100  # 2**-100 of the utility is left: nothing that a float64 would show


@dataclass(frozen=True, slots=True)
class Bucket:
    """A part of the pool of one quality.

    `samples` are different ones; `utility` is the exponent b, below 0: the lower, the better is a sample of it;
    `half_life` is tau, the epochs after which a repeated sample has half its utility; infinite: it never tires.
    """

    name: str
    samples: int
    utility: float
    half_life: float

    def __post_init__(self) -> None:
        if self.samples < 1:
            raise PlanError(f"bucket {self.name}: samples={self.samples}: give 1 or more")
        if not -math.inf < self.utility < 0:
            raise PlanError(f"bucket {self.name}: utility={self.utility}: give a number below 0, such as -0.15")
        if not self.half_life > 0:
            raise PlanError(f"bucket {self.name}: half_life={self.half_life}: give a number of epochs above 0")


@dataclass(frozen=True, slots=True)
class Law:
    """What all buckets share: error = (scale * n / normaliser) ** b + irreducible_error for n samples seen once.

    `scale` is a of the code, `irreducible_error` its d, which no amount of data goes below. `form` "paper" adds d last;
    "repository" multiplies it with the rest, so that it decays too, as `func_effective_utility_aggregation` does.
    """

    scale: float
    irreducible_error: float = 0.1
    normaliser: float = 100_000.0
    form: Literal["paper", "repository"] = "paper"

    def __post_init__(self) -> None:
        for name in ("scale", "normaliser"):
            if not 0 < getattr(self, name) < math.inf:
                raise PlanError(f"{name}={getattr(self, name)}: give a number above 0")
        if not 0 <= self.irreducible_error < math.inf:
            raise PlanError(f"irreducible_error={self.irreducible_error}: give an error, 0 or more")
        if self.form not in ("paper", "repository"):
            raise PlanError(f"form={self.form!r}: give 'paper' or 'repository'")


@dataclass(frozen=True, slots=True)
class PoolError:
    """What a pool of buckets is predicted to do for a budget; `keep_frac` is its share of the samples of all buckets.

    `epochs` is how often each sample is seen.
    """

    buckets: tuple[str, ...]
    samples: int
    keep_frac: float
    epochs: float
    error: float


def pool_error(buckets: Sequence[Bucket], law: Law, samples_seen: int) -> float:
    """Return the predicted error after `samples_seen` samples of a pool of buckets, drawn in whole passes.

    In pass k (from 0) the exponent is the mean over the samples of b_i * 0.5 ** (k / tau'_i), where tau'_i is tau_i
    times the pool's size over the bucket's: a sample in a larger pool comes back later (theorem 1 of the paper, for
    buckets of equal size, where that factor is their number; for others it is our reading of it). The first pass gives
    (scale * n_1 / normaliser) ** b_0, each further one multiplies by (n_k / n_(k-1)) ** b_k; n_k are samples seen at
    the end of a pass.

    >>> law = Law(scale=1.0, irreducible_error=0.0, normaliser=1.0)
    >>> pool_error([Bucket("a", 100, -0.5, 1.0)], law, 100)
    0.1
    >>> pool_error([Bucket("a", 100, -0.5, 1.0)], law, 200) == 0.1 * 2 ** -0.25
    True
    """
    if not buckets:
        raise PlanError("a pool needs at least one bucket")
    if samples_seen < 1:
        raise PlanError(f"samples seen are {samples_seen}; give 1 or more")
    pool = sum(bucket.samples for bucket in buckets)
    epochs = samples_seen // pool + 1
    if epochs > MOST_EPOCHS:
        raise PlanError(
            f"{samples_seen:,} samples seen are over {MOST_EPOCHS:,} passes over {pool:,}; give fewer samples seen"
        )
    shares = np.array([bucket.samples / pool for bucket in buckets])
    utilities = np.array([bucket.utility for bucket in buckets])
    half_lives = np.array([bucket.half_life for bucket in buckets]) / shares
    first = (law.scale * min(pool, samples_seen) / law.normaliser) ** float(shares @ utilities)
    repeats = _log_of_repeats(shares * utilities, half_lives, pool, samples_seen, epochs)
    if law.form == "repository":
        return float((first + law.irreducible_error) * math.exp(repeats))
    return float(first * math.exp(repeats) + law.irreducible_error)


def _log_of_repeats(utilities: Floats, half_lives: Floats, pool: int, samples_seen: int, epochs: int) -> float:
    """Return the logarithm of what all passes after the first multiply the error by."""
    last = min(epochs, math.ceil(min(SPENT_HALF_LIVES * float(half_lives.max()), epochs)) + 1)
    total = 0.0
    for start in range(1, last, BLOCK_EPOCHS):
        k = np.arange(start, min(start + BLOCK_EPOCHS, last), dtype=np.float64)
        exponents = 0.5 ** (k[:, None] / half_lives) @ utilities
        seen = np.minimum(pool * (k + 1), samples_seen)
        total += float(exponents @ np.log(seen / (pool * k)))
    return total


def sort_buckets(buckets: Iterable[Bucket]) -> list[Bucket]:
    """Return the buckets from the best: by utility, then by name."""
    return sorted(buckets, key=lambda bucket: (bucket.utility, bucket.name))


def compare_pools(buckets: Iterable[Bucket], law: Law, samples_seen: int) -> list[PoolError]:
    """Return what the best bucket, the two best, ... and all of them are predicted to do for a budget."""
    ranked = sort_buckets(buckets)
    everything = sum(bucket.samples for bucket in ranked)
    found = []
    for count in range(1, len(ranked) + 1):
        kept = ranked[:count]
        samples, error = sum(bucket.samples for bucket in kept), pool_error(kept, law, samples_seen)
        names = tuple(bucket.name for bucket in kept)
        found.append(PoolError(names, samples, samples / everything, samples_seen / samples, error))
    return found


def best_pool(buckets: Iterable[Bucket], law: Law, samples_seen: int) -> PoolError:
    """Return the pool of the lowest predicted error, the smallest of equal ones; raises PlanError without buckets."""
    pools = compare_pools(buckets, law, samples_seen)
    if not pools:
        raise PlanError("there is no bucket to choose from")
    return min(pools, key=lambda pool: (pool.error, pool.samples))
