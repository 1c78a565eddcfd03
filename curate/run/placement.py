"""Placement: how many workers each segment gets, and where what belongs to the driver runs."""

from typing import Any

import ray

from curate.pipeline import Segment
from curate.run.cluster import Cluster
from curate.stages import Resources

__all__ = ["beside_driver", "most_workers", "pool_sizes"]


def beside_driver() -> Any:
    """Return the placement on the driver's own node: an actor there lives and dies with the run."""
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    return NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)


def pool_sizes(segments: list[Segment], needs: list[Resources], cluster: Cluster, shards: int) -> list[int]:
    """Return how many workers each segment gets from what the cluster has; `needs` is what a worker of each asks.

    Engines first: one per GPU share they ask for (data parallel; several models share the GPUs evenly), or one on a
    machine without GPUs; perception gets the CPUs left.
    """
    cpus, gpus = cluster.cpus, cluster.gpus
    sizes: dict[int, int] = {}
    wanted = [float(each.gpus) for each in needs]
    sharing = sum(each > 0 for each in wanted)
    for index in sorted(range(len(segments)), key=lambda i: segments[i].engine is None):
        each = needs[index]
        alone = segments[index].engine and not each.custom
        fits = int(gpus / sharing / wanted[index]) if wanted[index] else 1 if alone else int(cpus / each.cpus)
        sharing -= wanted[index] > 0
        fits = min([fits, *(int(cluster.amount(name) / amount) for name, amount in each.custom)])
        sizes[index] = max(1, min(each.workers or fits, shards))
        cpus -= sizes[index] * each.cpus
        gpus -= sizes[index] * wanted[index]
    return [sizes[i] for i in range(len(segments))]


def most_workers(segment: Segment, needs: Resources, workers: int, shards: int) -> int:
    """Return how far a pool may grow when nodes join; an engine without a GPU would only share the same cores."""
    if needs.workers is not None or (segment.engine and not needs.gpus and not needs.custom):
        return workers
    return max(workers, shards)
