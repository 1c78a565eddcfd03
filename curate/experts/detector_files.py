"""Which library loads a detector, what it needs, and whether that and its numbers can be."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from curate.errors import PlanError
from curate.models.checkpoints import check_ultralytics
from curate.models.extras import check_extra
from curate.models.names import hub_of
from curate.models.needed import Needed
from curate.models.weights import Weights

__all__ = ["check_detector", "check_numbers", "is_transformers", "needed"]


def is_transformers(weights: Weights) -> bool:
    """Tell whether transformers loads a detector: a hub's "owner/name", or a local folder. Else ultralytics does.

    >>> is_transformers(Weights("PekingU/rtdetr_r50vd_coco_o365")), is_transformers(Weights("yolo11x.pt"))
    (True, False)
    """
    return Path(weights.where).is_dir() if weights.is_local() else hub_of(weights.where) == "huggingface"


def needed(weights: Weights) -> Needed:
    """Return what a detector needs of its hub."""
    return Needed(weights) if is_transformers(weights) else Needed(weights, "file", library="ultralytics")


def check_detector(stage: str, weights: Weights) -> None:
    """Raise PlanError unless weights are a detector as far as names and files tell, and its library is installed."""
    if is_transformers(weights):
        check_extra("transformers", "detect-permissive")
        if weights.is_local() and not (weights.path() / "config.json").is_file():
            raise PlanError(f"{stage}: {weights.where} has no config.json, so it is no model of transformers")
    else:
        check_ultralytics(stage, weights)
        check_extra("ultralytics", "detect")


def check_numbers(expert: Any, fractions: Sequence[str], counts: Sequence[str]) -> None:
    """Raise PlanError unless these fields of a detector are above 0 and at most 1, or at least 1, and its size fits."""
    stage, side = type(expert).__name__, expert.image_size_px
    for name in fractions:
        if not 0 < getattr(expert, name) <= 1:
            raise PlanError(f"{stage}: {name}={getattr(expert, name)}: give a number above 0, at most 1")
    for name in counts:
        if getattr(expert, name) < 1:
            raise PlanError(f"{stage}: {name}={getattr(expert, name)}: give 1 or more")
    if side < 32 or side % 32:
        raise PlanError(f"{stage}: image_size_px={side}: give a multiple of 32")
