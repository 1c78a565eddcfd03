"""Turn "auto" into numbers: how many GPUs a worker of each segment holds on a given cluster, and what it makes of them.

A stage's own value stays "auto": it is the recipe's. The numbers belong to a run on a cluster (`RunSpec.gpus`), and are
put in place of "auto" in the worker that loads the models.
"""

import math
from collections.abc import Sequence
from dataclasses import fields, is_dataclass, replace
from typing import Any, Final, TypeVar

from curate.engines.engine import Engine
from curate.pipeline import Segment, engines_of
from curate.run.cluster import Cluster
from curate.run.spec import RunSpec
from curate.stages import Expert, Resources, stage_name

__all__ = ["beside_engines", "needs_on", "settled", "split_sentence"]

Value = TypeVar("Value")

UNKNOWN_SHARE: Final = 0.25  # of a GPU whose memory is not known
CONTEXT_GIB: Final = 1.0  # what a process holds of a GPU before it loads a model: ours, with some room
MOST_SHARE: Final = 0.5  # of the only GPU that all other models may take: the rest is the engine's
STEP: Final = 100  # shares are whole hundredths


def needs_on(segments: Sequence[Segment], cluster: Cluster) -> list[Resources]:
    """Return what one worker of each segment asks of a cluster: its resources, with a number in place of "auto".

    Without GPUs "auto" is 0. Where each engine can have a GPU and one is left for the other models, an engine gets a
    whole one. Where not, they share: engines get equal parts of what the other models leave. Those ask for the memory
    that they need (`Resources.gpu_gib`), as a share of the cluster's smallest GPU. Where an autoscaler may add nodes,
    engines wait for GPUs rather than run on CPUs.
    """
    each = [segment.resources for segment in segments]
    auto = [i for i, needs in enumerate(each) if needs.gpus == "auto"]
    engines = [i for i in auto if _has_engine(segments[i])]
    gpus = cluster.gpus or (len(engines) + 1 if engines and cluster.autoscales else 0)
    if not gpus:
        return [replace(needs, gpus=0.0) if needs.gpus == "auto" else needs for needs in each]
    others = [i for i in auto if i not in engines]
    shares = {i: _share(segments[i].experts, cluster) for i in others}
    taken = sum(float(needs.gpus) for needs in each if needs.gpus != "auto")
    left = gpus - taken
    whole = 1.0
    if engines and left < len(engines) + bool(others):
        beside = sum(shares.values())
        if beside > MOST_SHARE:
            shares = {i: share * MOST_SHARE / beside for i, share in shares.items()}
        free = (1 if left >= 1 else max(left, 0.0)) - sum(shares.values())
        whole = max(free, 1 / STEP) / math.ceil(len(engines) / max(1, int(left)))
    return [
        replace(needs, gpus=_hundredths(shares.get(i, whole))) if needs.gpus == "auto" else needs
        for i, needs in enumerate(each)
    ]


def beside_engines(segments: Sequence[Segment], cluster: Cluster) -> list[float]:
    """Return the share of a GPU that models need which a worker holds beside its engine, for each segment.

    0 where there is no engine on a GPU or no model beside it, and where the memory of GPUs is not known: an engine
    leaves a tenth of it.
    """
    known = any(node.gpu_memory_bytes for node in cluster.nodes)
    models = [[one for one in segment.experts if one.resources.gpus and not engines_of(one)] for segment in segments]
    return [
        _share(own, cluster) if own and known and _has_engine(segment) else 0.0
        for segment, own in zip(segments, models, strict=True)
    ]


def settled(spec: RunSpec, index: int) -> RunSpec:
    """Return the spec for a worker of segment `index`: its stages have numbers in place of "auto".

    Several engines of one worker share what it holds, less what models beside them need.
    """
    if not spec.gpus:
        return spec
    segment, whole = spec.segments()[index], spec.gpus[index]
    engines = {engine for expert in segment.experts for engine in engines_of(expert)}
    beside = spec.beside[index] if spec.beside else 0.0
    gpus = max(whole - beside, 0.0) / max(1, len(engines))
    steps = [
        replace(step, stage=_with_gpus(step.stage, gpus if engines_of(step.stage) else whole))
        if segment.first <= i < segment.stop
        else step
        for i, step in enumerate(spec.steps)
    ]
    return replace(spec, steps=tuple(steps))


def split_sentence(segments: Sequence[Segment], needs: Sequence[Resources], cluster: Cluster) -> str | None:
    """Return how the only GPU is shared, as a line of the run's output; null unless "auto" made it so."""
    auto = [i for i, segment in enumerate(segments) if segment.resources.gpus == "auto" and needs[i].gpus]
    if not any(segments[i].engine is not None and float(needs[i].gpus) < 1 for i in auto):
        return None
    memory = min([node.gpu_memory_bytes for node in cluster.nodes if node.gpu_memory_bytes], default=None)
    parts = []
    for i in auto:
        share = float(needs[i].gpus)
        size = f" ({share * memory / (1 << 30):.1f} GiB)" if memory else ""
        parts.append(f"{names(segments[i])} {share:.2f}{size}")
    return f"{cluster.gpus:g} GPU{'s' if cluster.gpus != 1 else ''}, shared: a worker of {'; '.join(parts)}"


def names(segment: Segment) -> str:
    """Return what people call a segment: the names of its experts that hold most."""
    gpu = [expert for expert in segment.experts if expert.resources.gpus]
    return ", ".join(dict.fromkeys(stage_name(expert) for expert in (gpu or segment.experts))) or "filters"


def _has_engine(segment: Segment) -> bool:
    """Tell whether a worker of a segment holds an engine that wants a GPU: servers have their own."""
    return any(engine.resources.gpus for expert in segment.experts for engine in engines_of(expert))


def _share(experts: Sequence[Expert], cluster: Cluster) -> float:
    """Return the share of the smallest GPU whose memory the models of a worker need."""
    sizes = [node.gpu_memory_bytes for node in cluster.nodes if node.gpu_memory_bytes]
    if not sizes:
        return UNKNOWN_SHARE
    gib = CONTEXT_GIB + sum(expert.resources.gpu_gib for expert in experts if expert.resources.gpus)
    return min(1.0, math.ceil(STEP * gib / (min(sizes) / (1 << 30))) / STEP)


def _hundredths(share: float) -> float:
    return math.floor(share * STEP + 1e-6) / STEP


def _with_gpus(value: Value, gpus: float) -> Value:
    """Return a stage or an engine with a number wherever it, its resources or its engines say "auto"."""
    if not is_dataclass(value) or isinstance(value, type):
        return value
    changed: dict[str, Any] = {}
    for field in fields(value):
        own = getattr(value, field.name)
        if not field.init:
            continue
        if field.name == "gpus" and own == "auto":
            changed[field.name] = gpus
        elif isinstance(own, Engine | Resources):
            changed[field.name] = _with_gpus(own, gpus)
        elif isinstance(own, tuple) and any(isinstance(one, Engine) for one in own):
            changed[field.name] = tuple(_with_gpus(one, gpus) for one in own)
    return replace(value, **changed) if changed else value
