"""What the fault runs measure: cheap, and sensitive to every difference."""

from curate.pipeline import Pipeline
from faults.stages import HALF, BatchMark, Echo, Faulty
from tests.support.stages import AtLeast, Brightness

__all__ = ["cheap", "faulty"]


def cheap(bound: int = 0, seconds: float = 0.02) -> Pipeline:
    """Return a pipeline of two segments, five stages and no model."""
    stages = [BatchMark("a", seconds), AtLeast("mark_a", bound << 28), Brightness(resources=HALF)]
    return Pipeline([*stages, BatchMark("b", seconds), Echo("c", seconds)])


def faulty(kind: bool = False) -> Pipeline:
    """Return a pipeline whose one expert fails in every way that it can, each on one sample; `kind`: in none."""
    return Pipeline([Faulty("f", kind=kind)])
