"""What experts share that score a picture by a head on its embedding or by a classifier of images."""

from dataclasses import replace
from typing import TypeAlias

from curate.experts.embedding_head import Head
from curate.experts.image_classifier import Classifier
from curate.stages import Batch, Measurement, Resources, Scorer

__all__ = ["PictureModel", "needed_resources", "picture_scorer"]

PictureModel: TypeAlias = Head | Classifier


def needed_resources(model: PictureModel, resources: Resources) -> Resources:
    """Return what a worker holds: of a head no GPU, since it runs in numpy."""
    return replace(resources, gpus=0.0) if isinstance(model, Head) else resources


def picture_scorer(model: PictureModel, expert: str, column: str, resources: Resources) -> Scorer:
    """Load the model and return the scorer of one column; messages name the expert."""
    scores = model.load_scores(expert, resources)

    def measure(batch: Batch) -> Measurement:
        return Measurement({column: scores(batch)})

    return measure
