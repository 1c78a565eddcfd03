"""What a Ray cluster has, as values: placement and checks compute over them, tests construct them."""

import importlib.util
import json
import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from curate.pipeline import Pipeline

__all__ = ["Cluster", "Node", "free_now", "read_cluster", "read_nodes", "smallest_gpu_bytes", "this_machine"]

SYSTEM: Final = ("CPU", "GPU", "memory", "object_store_memory")
MIB: Final = 1 << 20
GPU_QUERY: Final = ("nvidia-smi", "--query-gpu=memory.total", "--format=csv,noheader,nounits")
ANSWER_SECONDS: Final = 60.0  # for a node to start a process that asks its driver


@dataclass(frozen=True, slots=True)
class Node:
    """One machine: what Ray may hand out on it in all, whether it is in use or not.

    `gpu_memory_bytes` is the memory of its smallest GPU; null where it has none, or where nobody could tell. `custom`
    are its custom resources as (name, amount).
    """

    cpus: float
    gpus: float = 0.0
    memory_bytes: int = 0
    gpu_memory_bytes: int | None = None
    custom: tuple[tuple[str, float], ...] = ()

    def amount(self, name: str) -> float:
        """Return how much the node has of a custom resource."""
        return dict(self.custom).get(name, 0.0)


@dataclass(frozen=True, slots=True)
class Cluster:
    """The nodes that are up. With `autoscales` others may join when something waits for them.

    >>> Cluster((Node(16, gpus=1), Node(48))).cpus
    64
    """

    nodes: tuple[Node, ...]
    autoscales: bool = False

    @property
    def cpus(self) -> float:
        return sum(node.cpus for node in self.nodes)

    @property
    def gpus(self) -> float:
        return sum(node.gpus for node in self.nodes)

    def amount(self, name: str) -> float:
        """Return how much all nodes have of a custom resource."""
        return sum(node.amount(name) for node in self.nodes)


def read_cluster() -> Cluster:
    """Return the cluster that this process is connected to by `ray.init`."""
    import ray

    alive = [node for node in ray.nodes() if node["Alive"]]
    memory = _gpu_memory([node["NodeID"] for node in alive if node["Resources"].get("GPU")])
    nodes = [_node(node["Resources"], memory.get(node["NodeID"])) for node in alive]
    return Cluster(tuple(nodes), _autoscales())


def read_nodes() -> dict[str, Node]:
    """Return the nodes that are up by their ids, without the memory of their GPUs: cheap, for every few seconds."""
    import ray

    return {node["NodeID"]: _node(node["Resources"], None) for node in ray.nodes() if node["Alive"]}


def free_now() -> str:
    """Return what of the cluster's processors and GPUs nobody holds now, as people write it."""
    import ray

    all_of_it, free = ray.cluster_resources(), ray.available_resources()
    kinds = [name for name in ("GPU", "CPU") if all_of_it.get(name)]
    return (
        ", ".join(f"{free.get(name, 0.0):g} of {all_of_it[name]:g} {name}s free" for name in kinds) or "no node is up"
    )


def this_machine(pipeline: Pipeline) -> Cluster:
    """Return this process's machine as a cluster of one node, with one GPU if torch sees one that a stage may use.

    A run in this process holds all models at once, on one device; torch is asked only if a stage may use it.
    """
    wishes = [expert.resources.gpus for expert in pipeline.experts]
    gpu = any(wishes) and importlib.util.find_spec("torch") is not None and _torch_sees_gpu()
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    custom = {name: amount for expert in pipeline.experts for name, amount in expert.resources.custom}
    cpus = max([float(os.cpu_count() or 1), *(expert.resources.cpus for expert in pipeline.experts)])
    return Cluster((Node(cpus, float(gpu), memory, smallest_gpu_bytes() if gpu else None, tuple(custom.items())),))


def _torch_sees_gpu() -> bool:
    import torch

    return bool(torch.cuda.is_available())


def smallest_gpu_bytes() -> int | None:
    """Return the memory of this machine's smallest GPU, by its driver's own tool; null if there is none to ask."""
    try:
        done = subprocess.run(GPU_QUERY, capture_output=True, text=True, timeout=ANSWER_SECONDS / 2, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    sizes = [int(line) for line in done.stdout.split() if line.isdigit()]
    return min(sizes) * MIB if sizes and done.returncode == 0 else None


def _node(resources: Mapping[str, float], gpu_memory_bytes: int | None) -> Node:
    custom = {name: amount for name, amount in resources.items() if name not in SYSTEM and not name.startswith("node:")}
    return Node(
        resources.get("CPU", 0.0),
        resources.get("GPU", 0.0),
        int(resources.get("memory", 0)),
        gpu_memory_bytes,
        tuple(sorted(custom.items())),
    )


def _gpu_memory(node_ids: list[str]) -> dict[str, int | None]:
    """Ask each node for the memory of its GPUs, which Ray does not know; a node that does not answer is left out."""
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    ask: Any = ray.remote(num_cpus=0, max_retries=0)(smallest_gpu_bytes)
    there = [NodeAffinitySchedulingStrategy(node_id, soft=False) for node_id in node_ids]
    asked = {ask.options(scheduling_strategy=place).remote(): place.node_id for place in there}
    if not asked:
        return {}
    answered, late = ray.wait(list(asked), num_returns=len(asked), timeout=ANSWER_SECONDS)
    for reference in late:
        ray.cancel(reference, force=True)
    answers: dict[str, int | None] = {}
    for reference in answered:
        try:
            answers[asked[reference]] = ray.get(reference)
        except ray.exceptions.RayError:  # the node is gone, or cannot start a process: its memory stays unknown
            continue
    return answers


def _autoscales() -> bool:
    """Tell whether an autoscaler serves this cluster: it names the types of nodes, Ray by itself only their ids."""
    from ray._private.state import state
    from ray.autoscaler.v2.utils import is_autoscaler_v2
    from ray.experimental.internal_kv import _internal_kv_get

    if state.get_cluster_config() is not None:
        return True
    if is_autoscaler_v2(fetch_from_server=True):
        import ray

        return any("ray.io/node-group" in node.get("Labels", {}) for node in ray.nodes() if node["Alive"])
    report = json.loads(_internal_kv_get("__autoscaling_status") or b"{}").get("autoscaler_report") or {}
    return any(not kind.startswith("node_") for kind in report.get("active_nodes") or {})
