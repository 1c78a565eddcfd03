"""Choose the best of several texts about one image."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

import pyarrow as pa

from curate.captions.checking.evidence import Evidence
from curate.captions.checking.image_evidence import ImageEvidence
from curate.errors import PlanError
from curate.stages import Batch, Measurement, Resources, Scorer
from schemas.best_caption import BEST_CAPTION

__all__ = ["BestCaption"]


@dataclass(frozen=True)
class BestCaption:
    """Add the best of the columns `texts`, by evidence or by a judge; see `schemas.best_caption`.

    By `evidence` the score is an F1 of claims that detectors and OCR bear out and of what they saw for sure; by `judge`
    it is the alignment, and of equal ones the richness (`CaptionJudge(text=..., column=...)` of each text before it).
    With `marks`, a text that guards marked (`..._marks`) is chosen only if all are. A text that cannot be scored comes
    after those that can; of equal ones that which `texts` names first is chosen, so the choice is stable. It asks no
    model. What was chosen may be gated, `Gate("best_caption", ...)`; a gate of one of the texts before this stage takes
    the choice away from the sample.
    Source: our own; best-of-n by a verifier is Cobbe et al.'s (2021, arXiv 2110.14168). Left out: merging texts.
    """

    texts: tuple[str, ...] = ("caption", "description")
    by: Literal["evidence", "judge"] = "evidence"
    marks: bool = False
    evidence: Evidence = field(default_factory=Evidence)
    version: ClassVar[int] = 1
    adds: ClassVar[pa.Schema] = BEST_CAPTION
    pixels: ClassVar[None] = None
    resources: Resources = field(default=Resources(batch_rows=256), repr=False, compare=False)

    def __post_init__(self) -> None:
        if len(set(self.texts)) < 2 or len(set(self.texts)) < len(self.texts):
            raise PlanError(f"BestCaption: texts={self.texts}; give two columns or more, each once")
        if self.by not in ("evidence", "judge"):
            raise PlanError(f"BestCaption: by={self.by!r}; give evidence or judge")

    @property
    def needs(self) -> tuple[str, ...]:
        marks = tuple(f"{text}_marks" for text in self.texts) if self.marks else ()
        if self.by == "judge":
            return (*self.texts, *marks, *(f"{text}_{axis}" for text in self.texts for axis in ("vir", "ita")))
        return tuple(dict.fromkeys((*self.texts, *marks, "objects", "ocr_lines", *self.evidence.columns.needs)))

    def check(self) -> None:
        """Nothing can be missing."""

    def load(self) -> Scorer:
        return self._choose_all

    def _choose_all(self, batch: Batch) -> Measurement:
        rows = [self._choose(row) for row in batch.table.select(list(self.needs)).to_pylist()]
        return Measurement({name: [row.get(name) for row in rows] for name in BEST_CAPTION.names})

    def _choose(self, row: Mapping[str, Any]) -> dict[str, Any]:
        scores = self._scores(row)
        there = [i for i, text in enumerate(self.texts) if row[text] is not None]
        if not there:
            return {}
        marked = {i: bool(self.marks and row[f"{self.texts[i]}_marks"]) for i in there}
        best = max(there, key=lambda i: (not marked[i], _or_least(scores[i]), -i))
        others = [score for i, score in enumerate(scores) if i != best and score is not None]
        score = scores[best]
        return {
            "best_caption": row[self.texts[best]],
            "best_caption_column": self.texts[best],
            "best_caption_score": score,
            "best_caption_scores": scores,
            "best_caption_margin": score - max(others) if others and score is not None else None,
        }

    def _scores(self, row: Mapping[str, Any]) -> Sequence[float | None]:
        """Return the score of each text; null for one that is not there or that nothing is known about."""
        if self.by == "judge":
            return [_judged(row[f"{text}_vir"], row[f"{text}_ita"]) for text in self.texts]
        open_set = self.evidence.columns.read(row)
        image = ImageEvidence(self.evidence, row["objects"], row["ocr_lines"], open_set)
        return [None if row[text] is None else image.score(row[text]) for text in self.texts]


def _judged(vir: int | None, ita: int | None) -> float | None:
    return None if vir is None or ita is None else ita + vir / 10


def _or_least(score: float | None) -> float:
    return -1.0 if score is None else score
