"""Placement: how many workers each pool gets on each node, as the optimum of a small linear program.

A pool with W seconds of work left (of one worker) and n workers is done in W / n seconds, and the run is done when its
slowest pool is. So the run's time left is the least T for which n = W / T workers of every pool fit the nodes: found by
bisection, with n rounded up and each worker on one node. What earlier pools have done already is work that is no longer
left, so a pool that lags behind gets more workers, and one that is through gets none.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import ceil, inf
from typing import Any

import ray

from curate.run.cluster import Cluster, Node
from curate.stages import Resources

__all__ = ["Demand", "Placement", "Room", "beside_driver", "pack", "solve", "time_left"]

SLACK = 1e-6  # shares of a processor are floats
ROUNDS = 40  # of bisection: 2**-40 of the longest time
HEADROOM = 0.75  # a pool is given room that is left over until it needs less than this share of the slowest one's time
HEADROOM_AT_FIRST = 0.05
LEAST_SHARE = 1 / 64
LEAST_PART = 1 / 8  # of its processors, for a lone worker
MOST = 1e9  # workers


@dataclass(frozen=True, slots=True)
class Demand:
    """What a pool wants: `seconds` of work of one worker are left; a worker holds `needs` (gpus as a number).

    More than `most` workers would be of no use. `needs.workers` says how many there are to be, whatever is measured.
    With `guessed` nobody has measured the seconds yet.
    """

    seconds: float
    needs: Resources
    most: int
    guessed: bool = False


@dataclass(frozen=True, slots=True)
class Placement:
    """`workers[pool][node]` workers, of which each takes `cpus[pool]` processors.

    These are what it needs, but for a lone worker with less than all its time to work, which takes that share of them:
    on a small machine four mostly idle workers would else keep four processors from the pool that everybody waits for.
    They are also less where not even one worker of each pool would fit.
    """

    workers: tuple[tuple[int, ...], ...] = ()
    cpus: tuple[float, ...] = ()

    @property
    def sizes(self) -> tuple[int, ...]:
        """Workers of each pool, over all nodes."""
        return tuple(map(sum, self.workers))


def solve(demands: Sequence[Demand], cluster: Cluster) -> Placement:
    """Return the placement with the least time left.

    Pools for which nothing is left get no worker. If a cluster has too few GPUs or custom resources for one worker of
    each pool, the last pools wait until an earlier one is through.

    >>> solve([Demand(170.0, Resources(), 999), Demand(210.0, Resources(), 999)], Cluster((Node(126),))).sizes
    (56, 70)
    """
    active, share = _startable(demands, cluster)
    shared = [_scaled(each, share) for each in demands]
    floor = [_told(each) if i in active else 0 for i, each in enumerate(shared)]
    if pack(shared, floor, cluster) is None:
        floor = [int(i in active) for i in range(len(shared))]
    low, high = 0.0, max([demands[i].seconds for i in active], default=0.0)
    best = _within(shared, floor, cluster, high)
    assert best is not None, "one worker of each of these pools was seen to fit"
    for _ in range(ROUNDS):
        middle = (low + high) / 2
        if (found := _within(shared, floor, cluster, middle)) is None:
            low = middle
        else:
            best, high = found, middle
    return _fill(shared, floor, cluster, best)


def _within(demands: Sequence[Demand], floor: Sequence[int], cluster: Cluster, seconds: float) -> Placement | None:
    """Return a placement by which every pool that has a floor is through in so many seconds, if there is one."""
    counts = _counts(demands, floor, seconds)
    placed = [_part(each, n, seconds) for each, n in zip(demands, counts, strict=True)]
    workers = pack(placed, counts, cluster)
    return None if workers is None else Placement(workers, tuple(each.needs.cpus for each in placed))


def _part(demand: Demand, workers: int, seconds: float) -> Demand:
    """Return the demand of a lone worker that works only a part of the time; of others as it is."""
    if workers != 1 or demand.needs.workers is not None or not seconds:
        return demand
    return _scaled(demand, min(1.0, max(demand.seconds / seconds, LEAST_PART)))


def time_left(demands: Sequence[Demand], sizes: Sequence[int]) -> float:
    """Return the seconds until the slowest pool is through that has work by now."""
    working = [(each.seconds, n) for each, n in zip(demands, sizes, strict=True) if each.seconds and each.most]
    return max((seconds / n if n else inf for seconds, n in working), default=0.0)


def pack(demands: Sequence[Demand], counts: Sequence[int], cluster: Cluster) -> tuple[tuple[int, ...], ...] | None:
    """Return where so many workers of each pool go, or None if they do not fit; the hungriest are placed first.

    Workers without a GPU fill nodes without GPUs first. A share of a GPU is one of one device.
    """
    room = [Room.of(node) for node in cluster.nodes]
    placed = [[0] * len(room) for _ in demands]
    order = sorted(range(len(demands)), key=lambda i: _hunger(demands[i].needs), reverse=True)
    for i in order:
        left, needs = counts[i], demands[i].needs
        for k in sorted(range(len(room)), key=lambda k: bool(cluster.nodes[k].gpus) and not needs.gpus):
            if left and (taken := min(left, room[k].fits(needs))):
                room[k].take(needs, taken)
                placed[i][k], left = taken, left - taken
        if left:
            return None
    return tuple(map(tuple, placed))


@dataclass(slots=True)
class Room:
    """What is free on a node; `devices` are the free shares of its GPUs."""

    cpus: float
    devices: list[float]
    custom: dict[str, float]

    @classmethod
    def of(cls, node: Node) -> "Room":
        """Return the room of an empty node."""
        return cls(node.cpus, [1.0] * int(node.gpus), dict(node.custom))

    def fits(self, needs: Resources) -> int:
        """Return how many workers with these needs fit beside each other."""
        kinds = [(self.custom.get(name, 0.0), amount) for name, amount in needs.custom]
        fits = [int(free / need + SLACK) for free, need in [(self.cpus, needs.cpus), *kinds] if need]
        gpus = float(needs.gpus)
        if gpus > 1 - SLACK:
            fits.append(int(sum(free > 1 - SLACK for free in self.devices) / gpus + SLACK))
        elif gpus:
            fits.append(sum(int(free / gpus + SLACK) for free in self.devices))
        return min(fits, default=1 << 20)

    def take(self, needs: Resources, workers: int = 1, devices: Sequence[int] = ()) -> None:
        """Take room for some workers: from these devices, else shares from the fullest device that has them."""
        self.cpus -= workers * needs.cpus
        for name, amount in needs.custom:
            self.custom[name] = self.custom.get(name, 0.0) - workers * amount
        gpus = float(needs.gpus)
        for k in devices:
            self.devices[k] -= gpus / len(devices)
        for _ in range(workers if gpus and not devices else 0):
            if gpus > 1 - SLACK:
                whole = [k for k, free in enumerate(self.devices) if free > 1 - SLACK]
                for k in whole[: round(gpus)]:
                    self.devices[k] = 0.0
            else:
                able = [k for k, free in enumerate(self.devices) if free + SLACK >= gpus]
                if able:
                    self.devices[min(able, key=lambda k: self.devices[k])] -= gpus


def _hunger(needs: Resources) -> tuple[float, float, float]:
    return float(needs.gpus), sum(amount for _, amount in needs.custom), needs.cpus


def _scaled(demand: Demand, share: float) -> Demand:
    return replace(demand, needs=replace(demand.needs, cpus=demand.needs.cpus * share))


def _startable(demands: Sequence[Demand], cluster: Cluster) -> tuple[list[int], float]:
    """Return the pools that get workers, and the share of their processors with which one of each fits."""
    active: list[int] = []
    for i, each in enumerate(demands):
        if each.seconds > 0 and each.most > 0:
            free = [_scaled(one, 0.0) for one in demands]
            counts = [int(k in active or k == i) for k in range(len(demands))]
            if pack(free, counts, cluster) is not None:
                active.append(i)
    share, ones = 1.0, [int(i in active) for i in range(len(demands))]
    while share > LEAST_SHARE:
        if pack([_scaled(one, share) for one in demands], ones, cluster) is not None:
            return active, share
        share /= 2
    return active, 0.0


def _counts(demands: Sequence[Demand], floor: Sequence[int], seconds: float) -> list[int]:
    """Return the workers with which every pool that has a floor is through in so many seconds."""
    wanted = [min(each.seconds / seconds, MOST) if seconds else MOST for each in demands]
    return [
        max(least, min(ceil(want - SLACK), _limit(each))) if least else 0
        for each, least, want in zip(demands, floor, wanted, strict=True)
    ]


def _fill(demands: Sequence[Demand], floor: Sequence[int], cluster: Cluster, best: Placement) -> Placement:
    """Give room that is left over to each pool in turn, the slowest first, so that no estimate has to be exact.

    While a pool has nothing to do yet, or nothing is known of it, no room is left over: what is done ahead is done.
    """
    staffed = [i for i, n in enumerate(best.sizes) if n]
    slowest = time_left([demands[i] for i in staffed], [best.sizes[i] for i in staffed])
    early = any(each.seconds > 0 and (each.guessed or not each.most) for each in demands)
    ample = _counts(demands, floor, (HEADROOM_AT_FIRST if early else HEADROOM) * slowest)
    for i in sorted(staffed, key=lambda i: demands[i].seconds / best.sizes[i], reverse=True):
        low, high = best.sizes[i], ample[i]
        while low < high:
            middle = (low + high + 1) // 2
            if (found := _with(demands, cluster, best, i, middle)) is None:
                high = middle - 1
            else:
                best, low = found, middle
    return best


def _with(demands: Sequence[Demand], cluster: Cluster, best: Placement, i: int, workers: int) -> Placement | None:
    """Return the placement with another number of workers in one pool, if they fit."""
    sizes = [*best.sizes[:i], workers, *best.sizes[i + 1 :]]
    cpus = tuple(demands[k].needs.cpus if k == i else each for k, each in enumerate(best.cpus))
    packed = pack([_with_cpus(each, n) for each, n in zip(demands, cpus, strict=True)], sizes, cluster)
    return None if packed is None else Placement(packed, cpus)


def _with_cpus(demand: Demand, cpus: float) -> Demand:
    return replace(demand, needs=replace(demand.needs, cpus=cpus))


def _told(demand: Demand) -> int:
    """Return how many workers a pool has whatever is measured."""
    return max(1, min(demand.needs.workers or 1, demand.most))


def _limit(demand: Demand) -> int:
    return min(demand.most, demand.needs.workers or demand.most)


def beside_driver() -> Any:
    """Return the placement on the driver's own node: an actor there lives and dies with the run."""
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    return NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
