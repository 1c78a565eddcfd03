"""Score how likely an image is unsafe to show at work."""

from dataclasses import dataclass, field, replace
from typing import ClassVar

import pyarrow as pa

from curate.experts.embedding_head import Head
from curate.experts.image_classifier import Classifier
from curate.models.weights import Weights
from curate.stages import Batch, Measurement, Resources, Scorer
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

    model: Head | Classifier = field(default=Classifier(Weights("Falconsai/nsfw_image_detection")))
    version: ClassVar[int] = 1
    adds: ClassVar[pa.Schema] = NSFW
    resources: Resources = field(default=Resources(gpus="auto", batch_rows=64, gpu_gib=1.0), repr=False, compare=False)

    def __post_init__(self) -> None:
        if isinstance(self.model, Head):  # it runs in numpy: a GPU would stand idle
            object.__setattr__(self, "resources", replace(self.resources, gpus=0.0))

    @property
    def needs(self) -> tuple[str, ...]:
        return self.model.needs

    @property
    def pixels(self) -> int | None:
        return self.model.pixels

    def check(self) -> None:
        self.model.check("Nsfw")

    def load(self) -> Scorer:
        scores = self.model.load_scores("Nsfw", self.resources)

        def measure(batch: Batch) -> Measurement:
            return Measurement({self.adds.names[0]: scores(batch)})

        return measure
