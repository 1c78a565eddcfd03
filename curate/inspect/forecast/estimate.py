"""What a run will take, from a pilot of it: time, workers, tokens, storage, and how far that can be trusted.

A pilot is a run over a few samples of shards that are spread over the source (`curate.run.pilot_shards`). It tells what
a row costs a worker of each segment, and how many rows come to each stage; what a pool of workers has to do in all is
rows times seconds, and the run is through when its slowest pool is. Its workers are placed as a run would place them.
"""

import math
from dataclasses import dataclass
from typing import Final

import numpy as np

from curate.errors import PlanError
from curate.inspect.forecast.pilot import Pilot, Shares
from curate.pipeline import Step
from curate.run.cluster import Cluster
from curate.run.placement import Demand, solve, time_left
from curate.run.planner import Plan
from curate.run.pools import Pool
from curate.run.sizing import make_pools
from curate.sources import count
from curate.stages import Expert

__all__ = ["Forecast", "PoolForecast", "StageForecast", "forecast", "other_seconds"]

DRAWS: Final = 400  # of the pilot's shards, for the range
RANGE: Final = (5.0, 95.0)  # percent
COUNTED: Final = 200  # shards that are opened to tell how many samples there are


@dataclass(frozen=True, slots=True)
class StageForecast:
    """A stage that measures: rows that will come to it, rows a second of one worker, share of errors.

    `tokens` are those read and written for a row, null without an engine.
    """

    label: str
    rows: float
    share: float
    per_second: float | None
    errors: float
    tokens: tuple[float, float] | None
    stored_bytes: float


@dataclass(frozen=True, slots=True)
class PoolForecast:
    """Workers that do some stages: how many of them, what each holds, and the seconds that they are at it."""

    label: str
    workers: int
    cpus: float
    gpus: float
    seconds: float


@dataclass(frozen=True, slots=True)
class Forecast:
    """A run over `samples`, of which `left` are not the pilot's, and what these take on a cluster.

    `seconds` in all, from `low` to `high`, of which `start_seconds` to start; `exact` if all samples were counted.
    """

    samples: float
    left: float
    exact: bool
    stages: tuple[StageForecast, ...]
    pools: tuple[PoolForecast, ...]
    start_seconds: float
    seconds: float
    low: float
    high: float
    shards: int
    cluster: Cluster

    @property
    def bottleneck(self) -> PoolForecast:
        return max(self.pools, key=lambda pool: pool.seconds)


def forecast(pilot: Pilot, plan: Plan, cluster: Cluster) -> Forecast:
    """Return what a run over the shards of a plan takes on a cluster, by what a pilot has told."""
    if not pilot.share(len(pilot.steps)):
        raise PlanError(
            f"the pilot keeps none of its {pilot.samples:,} samples: there is nothing to foresee; "
            "`curate status` says which filter dropped them"
        )
    samples, exact = _samples(plan)
    left = max(samples - pilot.samples, 0.0)
    shares = pilot.reach.sum(axis=0) / pilot.samples
    pools, seconds = _placed(pilot, shares, left, len(plan.shards), cluster)
    start = _start_seconds(pilot)
    low, high = _range(pilot, left, len(plan.shards), cluster)
    stages = _stages(pilot, samples)
    ends = (start + seconds, start + low, start + high)
    return Forecast(samples, left, exact, stages, pools, start, *ends, len(plan.shards), cluster)


def other_seconds(pilot: Pilot, shares: Shares, made: Forecast) -> float:
    """Return the seconds of a run for other shares or rates than those that a forecast was made of."""
    return made.start_seconds + _placed(pilot, shares, made.left, made.shards, made.cluster)[1]


def _placed(
    pilot: Pilot, shares: Shares, samples: float, shards: int, cluster: Cluster
) -> tuple[tuple[PoolForecast, ...], float]:
    """Return the pools with their workers, and the seconds of the slowest one."""
    pools = make_pools(pilot.segments, cluster)
    demands = [_demand(pilot, pool, shares, samples, shards) for pool in pools]
    placement = solve(demands, cluster)
    made = []
    for pool, demand, workers, cpus in zip(pools, demands, placement.sizes, placement.cpus, strict=True):
        experts = [step.label for i in pool.indices for step in _experts(pilot, i)]
        seconds = demand.seconds / workers if workers else 0.0
        made.append(PoolForecast(", ".join(experts) or "filters", workers, cpus, float(pool.needs.gpus), seconds))
    return tuple(made), time_left(demands, placement.sizes)


def _demand(pilot: Pilot, pool: Pool, shares: Shares, samples: float, shards: int) -> Demand:
    seconds = sum(samples * _share(pilot, i, shares) * pilot.rates[i] for i in pool.indices)
    lone = any(pilot.segments[i].engine is not None for i in pool.indices) and not pool.needs.gpus
    most = (pool.needs.workers or 1) if lone else math.ceil(shards / pool.needs.shards)
    return Demand(max(seconds, 1e-6), pool.needs, most)


def _share(pilot: Pilot, index: int, shares: Shares) -> float:
    """Return the share of the samples that come to a segment: to its first expert."""
    segment = pilot.segments[index]
    first = next((i for i in range(segment.first, segment.stop) if isinstance(pilot.steps[i].stage, Expert)), None)
    return float(shares[segment.first if first is None else first])


def _experts(pilot: Pilot, index: int) -> list[Step]:
    segment = pilot.segments[index]
    return [step for step in pilot.steps[segment.first : segment.stop] if isinstance(step.stage, Expert)]


def _start_seconds(pilot: Pilot) -> float:
    """Return what the pilot took beside the work of its slowest segment: Ray, models, engines, the last shard."""
    shares = pilot.reach.sum(axis=0) / pilot.samples
    work = [
        pilot.samples * _share(pilot, i, shares) * rate / max(pilot.workers[i], 1) for i, rate in enumerate(pilot.rates)
    ]
    return max(0.0, float(pilot.manifest.counts["costs"]["seconds"]) - max(work, default=0.0))


def _range(pilot: Pilot, samples: float, shards: int, cluster: Cluster) -> tuple[float, float]:
    """Return low and high seconds, by drawing the pilot's shards again with repeats."""
    draws = np.random.default_rng(0).integers(0, len(pilot.reach), (DRAWS, len(pilot.reach)))
    sums = pilot.reach[draws].sum(axis=1)
    shares = sums / np.maximum(sums[:, :1], 1)
    pools = make_pools(pilot.segments, cluster)
    sizes = solve([_demand(pilot, pool, shares.mean(axis=0), samples, shards) for pool in pools], cluster).sizes
    seconds = [time_left([_demand(pilot, pool, each, samples, shards) for pool in pools], sizes) for each in shares]
    low, high = np.percentile(seconds, RANGE)
    return float(low), float(high)


def _samples(plan: Plan) -> tuple[float, bool]:
    """Return how many samples the source has, from some shards of it; True if all were counted."""
    shards = [each.shard for each in plan.shards]
    some = [shards[i * len(shards) // COUNTED] for i in range(COUNTED)] if len(shards) > COUNTED else shards
    return sum(map(count, some)) * len(shards) / max(len(some), 1), len(some) == len(shards)


def _stages(pilot: Pilot, samples: float) -> tuple[StageForecast, ...]:
    made = []
    for i, step in enumerate(pilot.steps):
        if isinstance(step.stage, Expert):
            each = pilot.stages.get(step.label, {"rows": 0, "errors": 0, "seconds": 0.0})
            rows = each["rows"]
            speed = rows / each["seconds"] if rows and each["seconds"] else None
            share = pilot.share(i)
            stored = pilot.stored.get(step.label, 0.0) * samples * share
            errors = each["errors"] / rows if rows else 0.0
            tokens = pilot.tokens.get(step.label)
            made.append(StageForecast(step.label, samples * share, share, speed, errors, tokens, stored))
    return tuple(made)
