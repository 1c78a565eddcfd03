"""Drop pairs whose image and text do not match."""

from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from schemas.prefix import repr_without_defaults

__all__ = ["MinClipScore"]


@dataclass(frozen=True, slots=True)
class MinClipScore:
    """Keep samples whose CLIP cosine is at least `minimum`.

    Source: LAION-5B keeps 0.28 with OpenAI's ViT-B/32 on English text (Schuhmann et al. 2022, arXiv 2210.08402).
    A threshold belongs to one model: it says nothing about another's scores. `column` is the score that is read, where
    a pipeline has several.

    >>> MinClipScore(0.5).keep(pa.table({"clip_score": pa.array([0.5, 0.49, None], pa.float32())})).to_pylist()
    [True, False, None]
    """

    minimum: float = 0.28
    column: str = "clip_score"

    def __post_init__(self) -> None:
        if not -1 <= self.minimum <= 1:
            raise ValueError(f"minimum={self.minimum}: give a cosine, -1 to 1")

    def __repr__(self) -> str:
        return repr_without_defaults(self, "column")

    @property
    def needs(self) -> tuple[str, ...]:
        return (self.column,)

    def keep(self, table: pa.Table) -> pa.ChunkedArray:
        score = table[self.column]
        return pc.greater_equal(score, pa.scalar(self.minimum, pa.float64()).cast(score.type, safe=False))
