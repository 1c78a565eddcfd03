"""Compare a caption with what detector and OCR found."""

from dataclasses import asdict, dataclass, field
from typing import Any, ClassVar

import pyarrow as pa

from curate.captions.checking.evidence import Claims, Evidence, share
from curate.errors import PlanError
from curate.stages import Batch, Measurement, Resources, Scorer
from schemas.caption_evidence import CAPTION_EVIDENCE
from schemas.fields import about

__all__ = ["CaptionEvidence"]


@dataclass(frozen=True)
class CaptionEvidence:
    """Add what a caption claims rightly, wrongly and not at all; see `schemas.caption_evidence`.

    `column` is the text that is judged: the caption, or another one (`final_caption`, `alt_text`, ...); the added
    columns then begin with its name. `evidence.columns` adds open-set detectors and tags as witnesses:
    `Evidence(read_lexicon("lvis"), coco, columns=Columns(("open_objects",), "tags"))`. Asks no model: a few
    milliseconds a caption.
    Source: `curate.captions.checking.evidence`. Left out: whatever detector and OCR do not see, such as
    attributes and actions.
    """

    column: str = "caption"
    evidence: Evidence = field(default_factory=Evidence)
    version: ClassVar[int] = 2  # 2: nouns outside of the lexicon are unjudged claims; verdicts and coverage
    pixels: ClassVar[None] = None
    resources: Resources = field(default=Resources(batch_rows=256), repr=False, compare=False)

    def __post_init__(self) -> None:
        if not self.column.isidentifier():
            raise PlanError(f"CaptionEvidence: column={self.column!r}: give the name of a text column")

    @property
    def needs(self) -> tuple[str, ...]:
        return (self.column, "objects", "ocr_lines", *self.evidence.columns.needs)

    @property
    def adds(self) -> pa.Schema:
        return about(CAPTION_EVIDENCE, self.column)

    def check(self) -> None:
        """Nothing can be missing."""

    def load(self) -> Scorer:
        return self._measure

    def _measure(self, batch: Batch) -> Measurement:
        rows = [self._row(row) for row in batch.table.select(list(self.needs)).to_pylist()]
        names = zip(self.adds.names, CAPTION_EVIDENCE.names, strict=True)
        return Measurement({added: [row.get(name) for row in rows] for added, name in names})

    def _row(self, row: dict[str, Any]) -> dict[str, Any]:
        caption, objects, lines = row[self.column], row["objects"], row["ocr_lines"]
        if caption is None:
            return {}
        open_set = self.evidence.columns.read(row)
        claims = self.evidence.measure(caption, objects, lines, open_set)
        columns = _objects(claims) if self.evidence.witnesses(objects, open_set).measured else {}
        columns |= _texts(claims) if lines is not None else {}
        return columns | (_together(claims) if columns else {})


def _objects(claims: Claims) -> dict[str, Any]:
    return {
        "caption_object_precision": claims.object_precision,
        "caption_object_recall": claims.object_recall,
        "caption_count_accuracy": share(len(claims.right_counts), len(claims.right_counts) + len(claims.wrong_counts)),
        "caption_place_accuracy": share(len(claims.right_places), len(claims.right_places) + len(claims.wrong_places)),
        "caption_unsupported": list(claims.unsupported),
        "caption_missed": list(claims.missed),
        "caption_unjudged": list(claims.unjudged),
        "caption_wrong_counts": [asdict(claim) for claim in claims.wrong_counts],
        "caption_wrong_places": [asdict(claim) for claim in claims.wrong_places],
    }


def _texts(claims: Claims) -> dict[str, Any]:
    return {
        "caption_text_precision": claims.text_precision,
        "caption_text_recall": claims.text_recall,
        "caption_unsupported_texts": list(claims.unsupported_texts),
        "caption_missed_texts": list(claims.missed_texts),
    }


def _together(claims: Claims) -> dict[str, Any]:
    return {
        "caption_wrong_claims": claims.wrong,
        "caption_verdicts": [asdict(one) for one in claims.verdicts],
        "caption_evidence_coverage": claims.coverage,
    }
