"""Score how much people would like an image."""

from dataclasses import dataclass, field, replace
from typing import ClassVar

import pyarrow as pa

from curate.experts.embedding_head import Head
from curate.experts.image_classifier import Classifier
from curate.models.weights import Weights
from curate.stages import Batch, Measurement, Resources, Scorer
from schemas.picture_scores import AESTHETIC

__all__ = ["Aesthetic"]

LAION_HEAD = Weights(
    "https://github.com/christophschuhmann/improved-aesthetic-predictor/raw/"
    "fe88a163f4661b4ddabba0751ff645e2e620746e/sac+logos+ava1-l14-linearMSE.pth"
)


@dataclass(frozen=True)
class Aesthetic:
    """Add `aesthetic_score`, by a head on the embedding of OpenAI's ViT-L/14; see `schemas.picture_scores`.

    It looks at no image: put `Clip("ViT-L-14-quickgelu", Weights("openai"))` before it. A classifier will do too.
    Source: LAION's improved aesthetic predictor (Apache-2.0), trained on SAC, logos and AVA; LAION-Aesthetics V2 keeps
    4.5, 4.75, 5, 6 and more, as its subsets are named.
    """

    model: Head | Classifier = field(default=Head(LAION_HEAD))
    version: ClassVar[int] = 1
    adds: ClassVar[pa.Schema] = AESTHETIC
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
        self.model.check("Aesthetic")

    def load(self) -> Scorer:
        scores = self.model.load_scores("Aesthetic", self.resources)

        def measure(batch: Batch) -> Measurement:
            return Measurement({self.adds.names[0]: scores(batch)})

        return measure
