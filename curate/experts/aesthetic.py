"""Score how much people would like an image."""

from dataclasses import dataclass, field
from typing import ClassVar

import pyarrow as pa

from curate.experts.embedding_head import Head
from curate.experts.picture_models import PictureModel, needed_resources, picture_scorer
from curate.models.weights import Weights
from curate.stages import Resources, Scorer
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

    model: PictureModel = field(default=Head(LAION_HEAD))
    version: ClassVar[int] = 1
    adds: ClassVar[pa.Schema] = AESTHETIC
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
        self.model.check("Aesthetic")

    def load(self) -> Scorer:
        return picture_scorer(self.model, "Aesthetic", self.adds.names[0], self.resources)
