"""Score how likely an image is unsafe to show at work."""

from dataclasses import dataclass, field
from typing import ClassVar

import pyarrow as pa

from curate.experts.image_classifier import Classifier
from curate.experts.picture_models import PictureModel, needed_resources, picture_scorer
from curate.models.weights import Weights
from curate.stages import Resources, Scorer
from schemas.picture_scores import NSFW

__all__ = ["Nsfw"]


@dataclass(frozen=True)
class Nsfw:
    """Add `nsfw_score`, by a classifier of images or by a head on an embedding; see `schemas.picture_scores`.

    With `Head(Weights("h14_nsfw.pth"), activation="relu")` it is LAION's detector on the embeddings of its
    ViT-H-14, which costs nothing once they are there. Null stays null: what was not measured is not safe.
    Source: Falconsai/nsfw_image_detection (Apache-2.0), a ViT-B/16 of two classes; LAION-AI/CLIP-based-NSFW-Detector.
    Measure it on labelled images of your own before you trust it.
    """

    model: PictureModel = field(default=Classifier(Weights("Falconsai/nsfw_image_detection")))
    version: ClassVar[int] = 1
    adds: ClassVar[pa.Schema] = NSFW
    resources: Resources = field(default=Resources(gpus="auto", batch_rows=64, gpu_gib=1.0), repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "resources", needed_resources(self.model, self.resources))

    @property
    def needs(self) -> tuple[str, ...]:
        return self.model.needs

    @property
    def pixels(self) -> int | None:
        return self.model.pixels

    def check(self) -> None:
        self.model.check("Nsfw")

    def load(self) -> Scorer:
        return picture_scorer(self.model, "Nsfw", self.adds.names[0], self.resources)
