"""Evidence for and against both sides of a preference pair."""

from dataclasses import dataclass, field
from typing import Any, ClassVar

import pyarrow as pa

from curate.captions.checking.evidence import Evidence
from curate.captions.checking.image_evidence import ImageEvidence
from curate.stages import Batch, Measurement, Resources, Scorer
from schemas.pair_evidence import PAIR_EVIDENCE

__all__ = ["PairEvidence"]


@dataclass(frozen=True)
class PairEvidence:
    """Add the evidence score of both texts of a pair, and the margin between them.

    The score is that of `curate.captions.checking.truth`.
    Objects, numbers, places and quoted texts are checked; a colour, an action or a mood is not, so a pair that differs
    in those alone has a margin of 0.
    Source: our own; the score is an F1 over what CHAIR (Rohrbach et al. 2018, arXiv 1809.02156) counts, widened to
    texts, numbers and places. Left out: the image itself.
    """

    evidence: Evidence = field(default_factory=Evidence)
    version: ClassVar[int] = 1
    adds: ClassVar[pa.Schema] = PAIR_EVIDENCE
    pixels: ClassVar[None] = None
    resources: ClassVar[Resources] = Resources(batch_rows=512)

    @property
    def needs(self) -> tuple[str, ...]:
        return ("pair_chosen", "pair_rejected", "objects", "ocr_lines", *self.evidence.columns.needs)

    def check(self) -> None:
        """Nothing can be missing."""

    def load(self) -> Scorer:
        return self._measure

    def _measure(self, batch: Batch) -> Measurement:
        rows = [self._row(row) for row in batch.table.select(list(self.needs)).to_pylist()]
        return Measurement({name: [row.get(name) for row in rows] for name in PAIR_EVIDENCE.names})

    def _row(self, row: dict[str, Any]) -> dict[str, Any]:
        if row["pair_chosen"] is None or row["pair_rejected"] is None:
            return {}
        open_set = self.evidence.columns.read(row)
        image = ImageEvidence(self.evidence, row["objects"], row["ocr_lines"], open_set)
        better, worse = image.count(row["pair_chosen"]), image.count(row["pair_rejected"])
        is_measured = None not in (better.value, worse.value)
        return {
            "pair_chosen_score": better.value,
            "pair_rejected_score": worse.value,
            "pair_margin": (better.value or 0) - (worse.value or 0) if is_measured else None,
            "pair_chosen_wrong": better.wrong,
            "pair_rejected_wrong": worse.wrong,
        }
