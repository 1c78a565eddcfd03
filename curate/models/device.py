"""Choose where a torch model runs."""

from typing import Any

from curate.errors import PlanError
from curate.stages import Gpus

__all__ = ["torch_device"]


def torch_device(what: str, gpus: Gpus, torch: Any) -> str:
    """Return "cuda" or "cpu" for a worker with so many GPUs; "auto" is a GPU where torch sees one.

    Raises PlanError where a GPU was given and torch sees none: on CPUs beside idle GPUs a run takes days.
    """
    if not gpus:
        return "cpu"
    if torch.cuda.is_available():
        return "cuda"
    if gpus == "auto":
        return "cpu"
    raise PlanError(
        f"{what} was given {gpus:g} of a GPU, but torch {torch.__version__} sees none on this machine: install a build "
        "of torch for its GPU, or run it on CPUs with resources.gpus=0"
    )
