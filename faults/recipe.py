"""The pipelines of the fault runs: one sensitive to every difference, one that fails on purpose, one with an engine."""

from dataclasses import replace

from curate.captions.prompting.hints import Hints
from curate.experts.dense_caption import DenseCaption
from curate.experts.image_facts import ImageFacts
from curate.pipeline import Pipeline
from curate.stages import Stage
from faults.stages import HALF, BatchMark, Echo, Faulty, MinMark
from pipelines.quickstart import quickstart

__all__ = ["captions", "cheap", "faulty"]


def captions(max_tokens: int = 40) -> Pipeline:
    """Return the quickstart's caption stage alone, behind its cheapest expert: vLLM with the nano VLM, greedy."""
    caption = next(stage for stage in quickstart().stages if isinstance(stage, DenseCaption))
    return Pipeline([ImageFacts(), replace(caption, hints=Hints(blocks=()), max_tokens=max_tokens)])


def cheap(bound: int = 0, seconds: float = 0.02) -> Pipeline:
    """Return a pipeline of two segments, five stages and no model."""
    stages: list[Stage] = [BatchMark("a", seconds), MinMark("mark_a", bound << 28), ImageFacts(resources=HALF)]
    return Pipeline([*stages, BatchMark("b", seconds), Echo("c", seconds)])


def faulty(kind: bool = False) -> Pipeline:
    """Return a pipeline whose one expert fails in every way that it can, each on one sample; `kind`: in none."""
    return Pipeline([Faulty("f", kind=kind)])
