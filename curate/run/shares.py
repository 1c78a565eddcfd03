"""Turn "auto" into numbers: how many GPUs a worker of each segment holds on a given cluster."""

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from curate.pipeline import Segment
from curate.run.cluster import Cluster
from curate.stages import Resources

__all__ = ["needs_on"]

PERCEPTION_SHARE: Final = 0.25  # of a GPU, for a worker with CPU and GPU models


def needs_on(segments: Sequence[Segment], cluster: Cluster) -> list[Resources]:
    """Return what one worker of each segment asks of a cluster: its resources, with a number in place of "auto".

    Without GPUs "auto" is 0. Where each engine can have a GPU and one is left for the other models, an engine gets a
    whole one and a worker of the others a quarter. Where not, they share: the others keep their quarter, and the
    engines get equal parts of the rest.
    """
    each = [segment.resources for segment in segments]
    engines = sum(
        segment.engine is not None and needs.gpus == "auto" for segment, needs in zip(segments, each, strict=True)
    )
    others = sum(segment.engine is None and needs.gpus == "auto" for segment, needs in zip(segments, each, strict=True))
    part = PERCEPTION_SHARE if cluster.gpus else 0.0
    whole = 1.0 if cluster.gpus else 0.0
    if engines and 0 < cluster.gpus < engines + (others > 0):
        on_one = math.ceil(engines / cluster.gpus)
        part = min(part, 1 / (others + 1)) if others else part
        whole = math.floor(1000 * (1 - others * part) / on_one) / 1000
    return [
        needs if needs.gpus != "auto" else replace(needs, gpus=part if segment.engine is None else whole)
        for segment, needs in zip(segments, each, strict=True)
    ]
