"""Placement: how many workers each segment gets, and where what belongs to the driver runs."""

from typing import Any

import ray

from curate.pipeline import Segment

__all__ = ["beside_driver", "most_workers", "pool_sizes"]


def beside_driver() -> Any:
    """Return the placement on the driver's own node: an actor there lives and dies with the run."""
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    return NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)


def pool_sizes(segments: list[Segment], shards: int) -> list[int]:
    """Return how many workers each segment gets from what the cluster has.

    Engines first: one per GPU share they ask for (data parallel; several models share the GPUs evenly), or one on a
    machine without GPUs; perception gets the CPUs left.
    """
    have = ray.cluster_resources()
    cpus, gpus = have.get("CPU", 1.0), have.get("GPU", 0.0)
    sizes: dict[int, int] = {}
    sharing = sum(segment.resources.gpus > 0 for segment in segments)
    for index in sorted(range(len(segments)), key=lambda i: segments[i].engine is None):
        needs = segments[index].resources
        alone = segments[index].engine and not needs.custom
        fits = int(gpus / sharing / needs.gpus) if needs.gpus else 1 if alone else int(cpus / needs.cpus)
        sharing -= needs.gpus > 0
        fits = min([fits, *(int(have.get(name, 0.0) / amount) for name, amount in needs.custom)])
        sizes[index] = max(1, min(needs.workers or fits, shards))
        cpus -= sizes[index] * needs.cpus
        gpus -= sizes[index] * needs.gpus
    return [sizes[i] for i in range(len(segments))]


def most_workers(segment: Segment, workers: int, shards: int) -> int:
    """Return how far a pool may grow when nodes join; an engine without a GPU would only share the same cores."""
    needs = segment.resources
    if needs.workers is not None or (segment.engine and not needs.gpus and not needs.custom):
        return workers
    return max(workers, shards)
