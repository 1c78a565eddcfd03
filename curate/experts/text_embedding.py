"""Keep the embedding of the alt text, to compare it with images of other samples."""

from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
import pyarrow as pa

from curate.experts.clip import Clip, load_towers
from curate.stages import Batch, Measurement, Resources, Scorer
from schemas.prefix import prefixed
from schemas.text_embedding import TEXT_EMBEDDING

__all__ = ["TextEmbedding"]


@dataclass(frozen=True)
class TextEmbedding:
    """Add the embedding of the alt text by the model of a `Clip` stage; see `schemas.text_embedding`.

    `clip` is that stage; a worker that holds both has one copy of the model. `MatchRank` compares with it.
    Source: CLIP (Radford et al. 2021, arXiv 2103.00020).
    """

    clip: Clip = field(default=Clip())
    version: ClassVar[int] = 1
    needs: ClassVar[tuple[str, ...]] = ("alt_text",)
    pixels: ClassVar[None] = None

    @property
    def adds(self) -> pa.Schema:
        return prefixed(TEXT_EMBEDDING, self.clip.prefix)

    @property
    def resources(self) -> Resources:
        return self.clip.resources

    def check(self) -> None:
        self.clip.check()

    def load(self) -> Scorer:
        texts = load_towers(self.clip).texts

        def measure(batch: Batch) -> Measurement:
            import torch

            values: list[list[float] | None] = [None] * len(batch)
            alt_texts = batch.table["alt_text"].to_pylist()
            written = [i for i, text in enumerate(alt_texts) if text and text.strip()]
            if written:
                with torch.inference_mode():
                    vectors, _ = texts.encode([alt_texts[i] for i in written])
                for i, vector in zip(written, vectors.cpu().numpy().astype(np.float16), strict=True):
                    values[i] = vector
            return Measurement({self.adds.names[0]: pa.array(values, pa.list_(pa.float16()))})

        return measure
