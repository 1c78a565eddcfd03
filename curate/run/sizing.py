"""What pools there are, what each has left to do, and when a better placement is worth moving workers for."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from curate.pipeline import Segment
from curate.run.cluster import Cluster
from curate.run.pace import Pace, Rates
from curate.run.placement import Demand, Placement, pack, solve, time_left
from curate.run.pools import Pool
from curate.run.shares import needs_on
from curate.stages import Resources

__all__ = ["Sizer", "make_pools"]

PILOT_WORKERS, PILOT_SHARE = 8, 0.25  # of a pool of which nothing is known: so many, or that share of the processors
MOST_ASKED = 10_000  # workers of a pool
WORTH_MOVING = 1.05  # a placement is left for one that is faster by more than this, and the time it takes


def make_pools(segments: Sequence[Segment], cluster: Cluster) -> list[Pool]:
    """Return the pools of a run: a segment each, but neighbours whose workers would hold the same there are one.

    A worker of several segments takes a shard through one after another, so that values do not depend on it. It is so
    where a cluster has no GPUs for models that like one, and where one worker of each segment would not fit.
    """
    needs = needs_on(segments, cluster)
    apart = [Demand(1.0, each, 1) for each in needs]
    tight = pack(apart, [1] * len(apart), cluster) is None
    groups: list[list[int]] = []
    for i, segment in enumerate(segments):
        before = groups[-1][-1] if groups else None
        joins = before is not None and segments[before].engine is None and segment.engine is None
        if before is not None and joins and (tight or bool(needs[before].gpus) == bool(needs[i].gpus)):
            groups[-1].append(i)
        else:
            groups.append([i])
    return [Pool(tuple(group), _together([needs[i] for i in group])) for group in groups]


def _together(needs: Sequence[Resources]) -> Resources:
    """Return what a worker holds that holds the models of several segments."""
    workers = [each.workers for each in needs if each.workers is not None]
    custom: dict[str, float] = {}
    for each in needs:
        for name, amount in each.custom:
            custom[name] = custom.get(name, 0.0) + amount
    return replace(
        needs[0],
        cpus=max(each.cpus for each in needs),
        gpus=sum(float(each.gpus) for each in needs),
        workers=min(workers) if workers else None,
        custom=tuple(sorted(custom.items())),
        shards=max(each.shards for each in needs),
    )


@dataclass(slots=True)
class Sizer:
    """Sizes the pools by what is left and what was measured; `paces` looks up the sums over all workers.

    `ask` tells an autoscaler what the run could use: twice the workers that it has, as far as there are shards.
    """

    segments: Sequence[Segment]
    shards: int
    rates: Rates
    paces: Callable[[], dict[int, Pace]]
    clock: Callable[[], float]
    placement: Placement | None = None
    cluster: Cluster = field(default=Cluster(()))
    most: dict[int, int] = field(default_factory=dict)
    cpus: float = 0.0
    ask: Callable[[list[dict[str, float]]], None] = field(default=lambda bundles: None)

    def __call__(self, pools: Sequence[Pool], cluster: Cluster) -> Placement:
        """Return the placement to aim at: the one before, unless nodes came or went or another is faster."""
        self.rates.observe(self.clock(), self.paces())
        self.cpus = cluster.cpus
        demands = self.demands(pools)
        best, old = solve(demands, cluster), self.placement
        if old is None or cluster != self.cluster or not _as_good(demands, pools, old, best):
            self.placement, self.cluster = best, cluster
        for i, n in enumerate((self.placement or best).sizes):
            self.most[i] = max(n, self.most.get(i, 0))
        self.ask(_bundles(demands, self.placement or best))
        return self.placement or best

    def finished(self, pool: Pool, rows: Sequence[int]) -> None:
        """Count a shard that has left a pool, with its rows in each of the pool's segments."""
        for index, here in zip(pool.indices, rows, strict=False):
            self.rates.finished(self.clock(), index, here)

    def demands(self, pools: Sequence[Pool]) -> list[Demand]:
        """Return what each pool has left, by what is known so far."""
        demands = []
        for i, pool in enumerate(pools):
            left = self.shards - pool.done
            each = sum(self.rates.seconds_per_shard(index) for index in pool.indices)
            near = pool.in_flight + len(pool.queue) + (pools[i - 1].in_flight if i else left)
            guessed = not all(map(self.rates.known, pool.indices)) and len(pools) > 1
            most = self._most(pool, guessed, left, near)
            demands.append(Demand((left - pool.in_flight / 2) * each, pool.needs, most, guessed))
        return demands

    def _most(self, pool: Pool, guessed: bool, left: int, near: int) -> int:
        """Return how many workers would find a shard; `near` are there or in work just before.

        What needs a GPU starts before its first shard is there, as it takes longest. An engine without a GPU is alone:
        two would only share the same processors. Of a CPU pool of which nothing is known a few workers are the pilot.
        """
        if pool.needs.gpus or pool.needs.custom:
            return math.ceil(left / pool.needs.shards)
        if any(self.segments[index].engine is not None for index in pool.indices):
            return min(pool.needs.workers or 1, left)
        most = math.ceil(min(left, near) / pool.needs.shards)
        return min(most, max(PILOT_WORKERS, int(self.cpus * PILOT_SHARE / pool.needs.cpus))) if guessed else most


def _bundles(demands: Sequence[Demand], placement: Placement) -> list[dict[str, float]]:
    """Return what Ray's autoscaler is asked to make room for, a worker each; engines and slow pools double, no others.

    Pools told how many workers they have, or with an engine that is to be alone, do not grow.
    """
    slowest = time_left(demands, placement.sizes)
    bundles = []
    for each, n in zip(demands, placement.sizes, strict=True):
        grows = n and each.seconds / n > slowest / 2 and each.needs.workers is None
        bundle = {"CPU": each.needs.cpus, "GPU": float(each.needs.gpus), **dict(each.needs.custom)}
        wanted = min(each.most, MOST_ASKED, 2 * n if grows else max(n, 1)) if each.seconds else 0
        bundles += [{name: amount for name, amount in bundle.items() if amount}] * wanted
    return bundles


def _as_good(demands: Sequence[Demand], pools: Sequence[Pool], old: Placement, best: Placement) -> bool:
    """Tell whether moving workers is not worth it: the pools that `best` staffs are served nearly as well by `old`.

    What is won has to be worth the time in which the new workers start, an engine's above all.
    """
    staffed = [i for i, n in enumerate(best.sizes) if n]
    was, will = (time_left([demands[i] for i in staffed], [each.sizes[i] for i in staffed]) for each in (old, best))
    grown = [pool.start_seconds for pool, n, m in zip(pools, old.sizes, best.sizes, strict=True) if m > n]
    return was <= will * WORTH_MOVING + max(grown, default=0.0)
