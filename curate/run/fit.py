"""Compare what a run asks of a cluster with what that has, before any work: one sentence, or a wait that is told."""

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final

from rich.console import Console

from curate.engines.engine import Engine
from curate.errors import PlanError
from curate.pipeline import Segment, engines_of
from curate.run.cluster import Cluster, Node, read_cluster
from curate.run.shares import beside_engines, names, needs_on, split_sentence
from curate.run.spec import RunSpec
from curate.stages import Resources

__all__ = ["amounts", "fit", "what_lacks"]

SAY_SECONDS: Final = 30.0
LOOK_SECONDS: Final = 2.0
SERVERS: Final = "-p engine.servers=http://host:8000/v1 (a server that has the model)"


def fit(
    spec: RunSpec, console: Console, wait: bool = False, read: Callable[[], Cluster] = read_cluster
) -> tuple[RunSpec, Cluster]:
    """Return the spec with GPUs for each segment, and the cluster that has room for a worker of each.

    Raises PlanError in one sentence if it has not. With `wait`, or where an autoscaler may add nodes, it asks for
    them, waits, and says every half minute for what. Prints how "auto" shares a GPU.
    """
    segments, said = spec.segments(), -SAY_SECONDS
    while True:
        have = read()
        needs = needs_on(segments, have)
        lacks = what_lacks(segments, needs, have)
        if not lacks:
            break
        if not (wait or have.autoscales):
            raise PlanError("; ".join(lacks))
        if time.monotonic() - said >= SAY_SECONDS:
            said = time.monotonic()
            _ask_autoscaler(have, needs)
            console.print(f"waiting for nodes: {'; '.join(lacks)}", soft_wrap=True, markup=False, highlight=False)
        time.sleep(LOOK_SECONDS)
    if said > 0:
        _ask_autoscaler(have, [])
    if sentence := split_sentence(segments, needs, have):
        console.print(sentence, soft_wrap=True, markup=False, highlight=False)
    gpus, beside = (float(each.gpus) for each in needs), beside_engines(segments, have)
    return replace(spec, gpus=tuple(gpus), beside=tuple(beside)), have


def what_lacks(segments: Sequence[Segment], needs: Sequence[Resources], cluster: Cluster) -> list[str]:
    """Return a sentence for each thing that the cluster lacks for one worker of each segment; none if it has room.

    A worker must fit on one node. GPUs and custom resources are held by all segments at once; processors are not
    added up here: where they are few, pools are made smaller.
    """
    pairs = list(zip(segments, needs, strict=True))
    lacks = [sentence for segment, each in pairs if (sentence := _too_big(segment, each, cluster))]
    if not lacks and not _room_for_all(needs, cluster):
        lacks.append(_too_many(pairs, cluster))
    if not lacks:
        lacks = [clause for segment, each in pairs if (clause := _engine_lacks(segment, each, cluster))]
    return lacks


def amounts(needs: Resources) -> str:
    """Return what a worker asks for, as people write it.

    >>> amounts(Resources(cpus=2, gpus=0.5, custom=(("fast_disk", 1.0),)))
    '0.5 GPU, 2 CPUs and 1 of fast_disk'
    """
    parts = [_count(float(needs.gpus), "GPU")] if needs.gpus != "auto" and needs.gpus else []
    parts += [_count(needs.cpus, "CPU")] if needs.cpus else []
    parts += [f"{amount:g} of {name}" for name, amount in needs.custom]
    return " and ".join([", ".join(parts[:-1]), parts[-1]] if len(parts) > 1 else parts or ["nothing"])


def _count(amount: float, what: str) -> str:
    return f"{amount:g} {what}{'s' if amount > 1 else ''}" if amount else f"no {what}"


def _has(needs: Resources, node: Node) -> bool:
    """Tell whether an empty node has room for a worker."""
    enough = needs.cpus <= node.cpus and float(needs.gpus) <= node.gpus
    return enough and all(node.amount(name) >= amount for name, amount in needs.custom)


def _too_big(segment: Segment, needs: Resources, cluster: Cluster) -> str | None:
    """Return why one worker of a segment fits on no node; null if it fits."""
    gpus = float(needs.gpus)
    if gpus > 1 and gpus != int(gpus):
        return f"{names(segment)}: gpus={gpus:g}: a worker holds a share of one GPU, or whole ones"
    if any(_has(needs, node) for node in cluster.nodes):
        return None
    for name, amount in needs.custom:
        if max((node.amount(name) for node in cluster.nodes), default=0.0) < amount:
            return (
                f"{names(segment)} asks for {amount:g} of {name}, and no machine has it: start Ray there with "
                f"--resources='{{\"{name}\": {amount:g}}}'"
            )
    most = max(cluster.nodes, key=lambda node: (node.gpus, node.cpus), default=Node(0))
    sentence = (
        f"{names(segment)}: a worker asks for {amounts(replace(needs, custom=()))} on one machine, and the cluster has "
        f"{_count(cluster.gpus, 'GPU')} and {_count(cluster.cpus, 'CPU')}"
        + (f", at most {_count(most.gpus, 'GPU')} on one machine" if len(cluster.nodes) > 1 else "")
    )
    return f"{sentence}: {_remedy(segment, needs, cluster)}"


def _remedy(segment: Segment, needs: Resources, cluster: Cluster) -> str:
    """Return what to pass instead, by the one of a worker's wishes that no node fulfils."""
    gpus, most = float(needs.gpus), max((node.gpus for node in cluster.nodes), default=0.0)
    if gpus <= most:
        return "ask for fewer CPUs (engine.cpus, or resources.cpus of the stage)"
    if segment.engine is None:
        return f"pass {_on_cpus(segment)} to run on CPUs, or give --address of a cluster with GPUs"
    if most:
        return f"pass -p engine.tensor_parallel_size={int(most)} with a model that fits, or {SERVERS}"
    return f"pass {SERVERS}, or -p engine.gpus=0 to run on CPUs, or give --address of a cluster with GPUs"


def _on_cpus(segment: Segment) -> str:
    stages = names(segment).split(", ")
    return " ".join(f"-p {name}.resources.gpus=0" for name in stages)


def _room_for_all(needs: Sequence[Resources], cluster: Cluster) -> bool:
    """Tell whether GPUs and custom resources suffice for one worker of each segment at once."""
    devices = [[1.0] * int(node.gpus) for node in cluster.nodes]
    custom = [dict(node.custom) for node in cluster.nodes]
    for each in sorted(needs, key=lambda one: (-float(one.gpus), -len(one.custom))):
        for k, node in enumerate(cluster.nodes):
            if _has(each, node) and _take(each, devices[k], custom[k]):
                break
        else:
            return False
    return True


def _take(needs: Resources, devices: list[float], custom: dict[str, float]) -> bool:
    """Take what a worker needs from what is free on a node; false, and nothing taken, if it is not there."""
    gpus = float(needs.gpus)
    share, whole = (gpus, 0) if gpus < 1 else (0.0, int(gpus))
    free = [k for k, left in enumerate(devices) if left >= 1]
    partly = [k for k, left in enumerate(devices) if left + 1e-6 >= share]
    if len(free) < whole or (share and not partly) or any(custom.get(n, 0.0) < amount for n, amount in needs.custom):
        return False
    for k in free[:whole]:
        devices[k] = 0.0
    if share:
        devices[min(partly, key=lambda k: devices[k])] -= share
    for name, amount in needs.custom:
        custom[name] -= amount
    return True


def _too_many(pairs: Sequence[tuple[Segment, Resources]], cluster: Cluster) -> str:
    """Return the sentence for workers that fit one by one, but not together."""
    total = sum(float(each.gpus) for _, each in pairs)
    custom = sorted({name for _, each in pairs for name, _ in each.custom})
    if total <= cluster.gpus and custom:
        return f"the stages hold {', '.join(custom)} at the same time, and the cluster has too little of it"
    parts = [f"{names(segment)} {float(each.gpus):g}" for segment, each in pairs if each.gpus]
    others = [segment for segment, each in pairs if each.gpus and segment.engine is None]
    instead = "leave their gpus at auto, which shares what is there"
    if others:
        instead += f", or pass {' '.join(map(_on_cpus, others))}"
    return (
        f"the stages hold {total:g} GPUs at the same time ({'; '.join(parts)}), and the cluster has {cluster.gpus:g}: "
        f"{instead}, or {SERVERS}"
    )


def _engine_lacks(segment: Segment, needs: Resources, cluster: Cluster) -> str | None:
    """Return what an engine of a segment lacks where it would run, as it says itself; null if nothing."""
    room = [node for node in cluster.nodes if _has(needs, node)]
    gpus = [node.gpu_memory_bytes for node in room if node.gpu_memory_bytes]
    memory = max(gpus, default=0) if needs.gpus else max((node.memory_bytes for node in room), default=0)
    engines = dict.fromkeys(engine for expert in segment.experts for engine in engines_of(expert))
    (beside,) = beside_engines([segment], cluster)
    for engine in engines:
        if lacking := _lacking(engine, max(float(needs.gpus) - beside, 0.0) / len(engines), memory):
            return lacking
    return None


def _lacking(engine: Engine, gpus: float, memory_bytes: int) -> str | None:
    from curate.engines.vllm_fit import vllm_lacks

    return vllm_lacks(engine, gpus, memory_bytes)


def _ask_autoscaler(cluster: Cluster, needs: Sequence[Resources]) -> None:
    """Ask for nodes for one worker of each segment; for none, take that back."""
    if not cluster.autoscales:
        return
    from ray.autoscaler.sdk import request_resources

    bundles = [{"CPU": each.cpus, "GPU": float(each.gpus), **dict(each.custom)} for each in needs]
    request_resources(bundles=[{k: v for k, v in bundle.items() if v} for bundle in bundles])
