"""Tie the words of a caption to boxes."""

from dataclasses import asdict, dataclass, field
from typing import Any, ClassVar

import pyarrow as pa

from curate.captions.checking.evidence import Evidence
from curate.captions.checking.grounding import ground
from curate.errors import PlanError
from curate.stages import Batch, Measurement, Resources, Scorer
from schemas.fields import about
from schemas.grounded_caption import GROUNDED_CAPTION

__all__ = ["GroundedCaption"]


@dataclass(frozen=True)
class GroundedCaption:
    """Add the phrases of a caption that name objects, with the boxes that they mean; see `schemas.grounded_caption`.

    `column` is the text and names the added columns. A phrase whose number or place does not fit the boxes has none:
    a wrong box teaches more harm than a missing one. `evidence.columns` adds the boxes of open-set detectors.
    Source: our own, on detections; grounded captions as GRIT has them (Kosmos-2, Peng et al. 2023, arXiv 2306.14824).
    Left out: attributes ("the red car"), relations, and objects that no detector looked for.
    """

    column: str = "caption"
    evidence: Evidence = field(default_factory=Evidence)
    version: ClassVar[int] = 2  # 2: a class has the boxes of those under it; open-set detectors
    pixels: ClassVar[None] = None
    resources: Resources = field(default=Resources(batch_rows=256), repr=False, compare=False)

    def __post_init__(self) -> None:
        if not self.column.isidentifier():
            raise PlanError(f"GroundedCaption: column={self.column!r}: give the name of a text column")

    @property
    def needs(self) -> tuple[str, ...]:
        return (self.column, "objects", *self.evidence.columns.needs)

    @property
    def adds(self) -> pa.Schema:
        return about(GROUNDED_CAPTION, self.column)

    def check(self) -> None:
        """Nothing can be missing."""

    def load(self) -> Scorer:
        return self._measure

    def _measure(self, batch: Batch) -> Measurement:
        rows = [self._row(row) for row in batch.table.select(list(self.needs)).to_pylist()]
        names = zip(self.adds.names, GROUNDED_CAPTION.names, strict=True)
        return Measurement({added: [row.get(name) for row in rows] for added, name in names})

    def _row(self, row: dict[str, Any]) -> dict[str, Any]:
        witnesses = self.evidence.witnesses(row["objects"], self.evidence.columns.read(row))
        caption = row[self.column]
        if caption is None or not witnesses.detectors:
            return {}
        phrases = ground(caption, witnesses, self.evidence)
        grounded = sum(bool(phrase.boxes) for phrase in phrases)
        return {
            "caption_phrases": [asdict(phrase) for phrase in phrases],
            "caption_grounded_frac": grounded / len(phrases) if phrases else None,
        }
