"""Score how likely an image bears a watermark."""

from dataclasses import dataclass, field, replace
from typing import ClassVar

import pyarrow as pa

from curate.experts.embedding_head import Head
from curate.experts.image_classifier import Classifier
from curate.models.weights import Weights
from curate.stages import Batch, Measurement, Resources, Scorer
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

    model: Head | Classifier = field(default=Classifier(Weights("watermark-classifier"), labels=("watermark",)))
    version: ClassVar[int] = 1
    adds: ClassVar[pa.Schema] = WATERMARK
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
        self.model.check("Watermark")

    def load(self) -> Scorer:
        scores = self.model.load_scores("Watermark", self.resources)

        def measure(batch: Batch) -> Measurement:
            return Measurement({self.adds.names[0]: scores(batch)})

        return measure
