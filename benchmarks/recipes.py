"""Recipes that only benchmarks run."""

from curate.experts.clip import Clip
from curate.experts.image_facts import ImageFacts
from curate.models.weights import Weights
from curate.pipeline import Pipeline
from filters.max_aspect import MaxAspect
from filters.min_clip_score import MinClipScore
from filters.min_side import MinSide

__all__ = ["match"]


def match(weights: Weights) -> Pipeline:
    """Measure how well image and text match by a ViT-B/32; the weights are random, so the scores mean nothing."""
    return Pipeline(
        [
            ImageFacts(),
            MinSide(200),
            MaxAspect(3.0),
            Clip("ViT-B-32", weights, resize="crop"),
            MinClipScore(0.0),
        ]
    )
