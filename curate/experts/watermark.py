"""Score how likely an image bears a watermark."""

from dataclasses import dataclass, field
from typing import ClassVar

import pyarrow as pa

from curate.experts.image_classifier import Classifier
from curate.experts.picture_models import PictureModel, needed_resources, picture_scorer
from curate.models.weights import Weights
from curate.stages import Resources, Scorer
from schemas.picture_scores import WATERMARK

__all__ = ["Watermark"]


@dataclass(frozen=True)
class Watermark:
    """Add `watermark_score`, by a classifier of images or by a head on an embedding; see `schemas.picture_scores`.

    There is no default model: give a folder or a hub name of a classifier of transformers with its licence in mind, or
    a head of your own. LAION's detector, an EfficientNet of timm in a pickled file, is not read; its scores are,
    where the source has them (`ImportedScores`). Tiled watermarks are found without a model: `TiledWatermark`.
    Source: the score is LAION-5B's pwatermark (Schuhmann et al. 2022, arXiv 2210.08402), which keeps below 0.8.
    """

    model: PictureModel = field(default=Classifier(Weights("watermark-classifier"), labels=("watermark",)))
    version: ClassVar[int] = 1
    adds: ClassVar[pa.Schema] = WATERMARK
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
        self.model.check("Watermark")

    def load(self) -> Scorer:
        return picture_scorer(self.model, "Watermark", self.adds.names[0], self.resources)
