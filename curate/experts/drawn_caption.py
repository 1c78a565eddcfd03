"""Draw one of several texts per sample."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import pyarrow as pa

from curate.captions.prompting.kinds import draw
from curate.errors import PlanError
from curate.stages import Batch, Measurement, Resources, Scorer
from schemas.caption_kinds import DRAWN_CAPTION

__all__ = ["DrawnCaption"]


@dataclass(frozen=True)
class DrawnCaption:
    """Add one of a sample's texts, drawn by the weights of their kinds with a hash of (seed, uid).

    A stage of its own, without a model: another `seed` (one an epoch, say) draws anew and writes nothing anew.
    `weights` replaces those stored with the texts, as pairs of kind and weight; texts with marks but those in `allow`
    are not drawn.
    Source: our own.
    """

    seed: int = 0
    weights: tuple[tuple[str, float], ...] | None = None
    allow: tuple[str, ...] = ()
    version: ClassVar[int] = 1
    needs: ClassVar[tuple[str, ...]] = ("captions",)
    adds: ClassVar[pa.Schema] = DRAWN_CAPTION
    pixels: ClassVar[None] = None
    resources: Resources = field(default=Resources(batch_rows=1_024), repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.weights is not None and not all(weight >= 0 for _, weight in self.weights):
            raise PlanError(f"DrawnCaption: weights are {self.weights}; each must be at least 0")

    def check(self) -> None:
        """Nothing can be missing."""

    def load(self) -> Scorer:
        return self._draw_all

    def _draw_all(self, batch: Batch) -> Measurement:
        weights = dict(self.weights) if self.weights is not None else None
        rows = batch.table.select(["uid", "captions"]).to_pylist()
        drawn: list[Mapping[str, Any]] = [
            draw(row["captions"], self.seed, row["uid"], weights, self.allow) or {} for row in rows
        ]
        return Measurement(
            {"drawn_caption": [each.get("text") for each in drawn], "drawn_kind": [each.get("kind") for each in drawn]}
        )
