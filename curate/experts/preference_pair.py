"""Preference pairs: a better and a worse description of an image, made in known ways."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, ClassVar, Final

import pyarrow as pa

from curate.captions.checking.evidence import Evidence
from curate.captions.checking.image_evidence import ImageEvidence
from curate.captions.choices import Choices
from curate.captions.pairing.change import apply
from curate.captions.pairing.choosing import (
    best_and_worst,
    in_drawn_order,
    misleading_kind,
    prompt_columns,
    text_columns,
)
from curate.captions.pairing.edits import make_edit
from curate.captions.prompting.prompts import MISLEADING_V1, NEUTRAL_V1, STEP_BY_STEP_V1, Prompt
from curate.captions.viewing.corrupt import pixels_sha256
from curate.captions.viewing.corruptions import Corruptions
from curate.captions.viewing.pixel_budget import fit_budget
from curate.engines.asking import Conversation, Row, scorer
from curate.engines.engine import Completion, Engine, Request
from curate.errors import PlanError
from curate.models.chat_models import UNKNOWN
from curate.stages import Pixels, Resources, Scorer
from schemas.preference import EDIT_KINDS, PAIR_KINDS, PREFERENCE

__all__ = ["STIC", "PreferencePair"]

STIC: Final = (("misleading_prompt", 0.5), ("corrupted_image", 0.5))
"""The kinds of the paper, a fair coin between them."""


@dataclass(frozen=True)
class PreferencePair:
    """Add a pair of a better and a worse description to a share of the samples; see `schemas.preference`.

    `kinds` are the ways to make the worse one, with their weights; where one is impossible for a sample (no count in
    the caption, an image that no corruption changes), another takes its place, drawn by the same weights.

    - `misleading_prompt`, `corrupted_image`: STIC. Better: the `chosen` prompt on the clean image. Worse: one of
      the `misleading` prompts on it, or one of the `neutral` prompts on an image that `corruptions` changed.
    - `ranked_samples`: `samples` answers to one neutral prompt at `sample_temperature`; best and worst by the score of
      `evidence`, among equals the two whose lengths differ least.
    - the rest are minimal edits of the sample's own caption, the column `text`; no engine writes them. Name them one
      by one, or all as "edits". With nothing but edits `engine` may be None, and no image is decoded.

    All that chance decides is a hash of (seed, stage, uid). A sample outside `share` has null everywhere and no error.
    Source: STIC (Deng et al. 2024, arXiv 2405.19716), with our wording of its prompts. Its released script never
    corrupts an image and does not keep the prompts that made the texts; both are mended here. Edits and ranks are
    our own. Left out: pairs across samples, and edits of actions and of relations other than places.
    """

    engine: Engine | None
    share: float = 1.0
    kinds: tuple[tuple[str, float], ...] = STIC
    chosen: Prompt = STEP_BY_STEP_V1
    misleading: tuple[Prompt, ...] = MISLEADING_V1
    neutral: tuple[Prompt, ...] = NEUTRAL_V1
    corruptions: Corruptions = field(default_factory=Corruptions)
    samples: int = 4
    sample_temperature: float = 0.8
    text: str = "caption"
    evidence: Evidence = field(default_factory=Evidence)
    longest_side_px: int = 448
    max_tokens: int = 1024
    temperature: float = 0.2
    seed: int = 0
    version: ClassVar[int] = 2
    adds: ClassVar[pa.Schema] = PREFERENCE

    def __post_init__(self) -> None:
        if not 0 <= self.share <= 1:
            raise PlanError(f"PreferencePair: share is {self.share}; it must be between 0 and 1")
        weights = dict(self.kinds)
        if (
            len(weights) < len(self.kinds)
            or set(weights) - {*PAIR_KINDS, "edits"}
            or ("edits" in weights and self._edits)
        ):
            raise PlanError(
                f"PreferencePair: kinds are {sorted(weights)}; each once, of edits, {', '.join(PAIR_KINDS)}"
            )
        if min(weights.values(), default=0) < 0 or not any(weights.values()):
            raise PlanError(f"PreferencePair: the weights in kinds are {weights}; none below 0 and one above")
        if not self.misleading or not self.neutral:
            raise PlanError("PreferencePair: misleading and neutral need at least one prompt each")
        if self._written and self.engine is None:
            raise PlanError(
                f"PreferencePair: {', '.join(self._written)} need an engine; without one only edits can be made"
            )
        if self.samples < 2 or self.sample_temperature <= 0:
            raise PlanError(
                f"PreferencePair: samples={self.samples} must be at least 2, "
                f"sample_temperature={self.sample_temperature} above 0"
            )

    @property
    def weights(self) -> dict[str, float]:
        """The weight of each kind that may be made; "edits" is shared out evenly."""
        each = {name: weight / len(EDIT_KINDS) for name in EDIT_KINDS if (weight := dict(self.kinds).get("edits", 0))}
        return {name: weight for name, weight in {**dict(self.kinds), **each}.items() if weight > 0 and name != "edits"}

    @property
    def _written(self) -> list[str]:
        return [name for name in self.weights if name not in EDIT_KINDS]

    @property
    def _edits(self) -> list[str]:
        return [name for name, _ in self.kinds if name in EDIT_KINDS]

    @property
    def needs(self) -> tuple[str, ...]:
        edited = any(name in EDIT_KINDS for name in self.weights)
        evidence = edited or "ranked_samples" in self.weights
        return (*((self.text,) if edited else ()), *(self._witnesses if evidence else ()))

    @property
    def _witnesses(self) -> tuple[str, ...]:
        return ("objects", "ocr_lines", *self.evidence.columns.needs)

    @property
    def pixels(self) -> int | None:
        return self.longest_side_px if self._written else None

    @property
    def resources(self) -> Resources:
        return self.engine.resources if self.engine is not None else Resources()

    def check(self) -> None:
        if self.engine is not None:
            self.engine.check()

    def load(self) -> Scorer:
        if self.engine is not None and self._written:
            self.engine.start()
        return scorer(self.adds, self.engine, partial(self._pair, stage=repr(self)))

    def _pair(self, row: Row, image: Pixels | None, stage: str) -> Conversation:
        """Try the kinds in the order that chance draws until one gives a pair; almost always the first."""
        choices = Choices(self.seed, stage, row["uid"])
        if choices.fraction("share") >= self.share:
            return None
        sizes = (self.engine.facts if self.engine else UNKNOWN).images
        sample = _Sample(row, choices, None if image is None else fit_budget(image, self.longest_side_px, sizes))
        for kind in in_drawn_order(self.weights, choices):
            if kind in EDIT_KINDS:
                pair: Mapping[str, Any] | None = self._edit(kind, sample)
            elif kind == "ranked_samples":
                pair = yield from self._rank(sample)
            else:
                pair = yield from self._mislead(kind, sample)
            if pair is not None:
                return {"pair_kind": kind, "pair_prompt": self._stored_prompt(sample).fill(), **pair}
        return None

    def _mislead(self, kind: str, sample: "_Sample") -> Conversation:
        """Ask for a text on the clean image, and for a worse one: other prompt, or a corrupted image."""
        shown = sample.clean
        columns: dict[str, Any]
        if kind == "misleading_prompt":
            prompt = sample.pick("misleading", self.misleading)
            columns = {"pair_misleading_kind": misleading_kind(prompt.id)}
        else:
            prompt = sample.pick("neutral", self.neutral)
            corrupted = self.corruptions.draw(shown, sample.choices)
            if corrupted is None:
                return None
            shown, name, parameters = corrupted
            columns = {"pair_corruption": name, "pair_corruption_parameters": json.dumps(parameters)}
        answers = yield [
            self._request(sample, "chosen", self.chosen, sample.clean, self.temperature),
            self._request(sample, "rejected", prompt, shown, self.temperature),
        ]
        columns |= _image_columns(sample.image, shown)
        return columns | prompt_columns(self.chosen, prompt) | self._texts(answers, answers)

    def _rank(self, sample: "_Sample") -> Conversation:
        """Ask for several texts of one prompt and take the best and the worst; None where all are the same."""
        prompt = self._stored_prompt(sample)
        answers = yield [
            self._request(sample, f"candidate {i}", prompt, sample.clean, self.sample_temperature)
            for i in range(self.samples)
        ]
        evidence, texts = sample.evidence(self.evidence), [answer.text.strip() for answer in answers]
        best = best_and_worst(texts, [evidence.score(text) for text in texts])
        if best is None:
            return None
        columns = {"pair_candidates": self.samples} | _image_columns(sample.image, sample.image)
        return columns | prompt_columns(prompt, prompt) | self._texts([answers[i] for i in best], answers)

    def _edit(self, kind: str, sample: "_Sample") -> dict[str, Any] | None:
        """Return the pair of a caption and its edit; None where the evidence allows no edit of this kind."""
        text = sample.row[self.text]
        changes = make_edit(kind, text, sample.evidence(self.evidence), sample.choices) if text else None
        if not changes:
            return None
        return {
            "pair_edits": [change.to_dict() for change in changes],
            **text_columns(text, apply(text, changes)),
            **dict.fromkeys(("pair_prompt_tokens", "pair_completion_tokens"), 0),
            "pair_finish_reasons": [],
            **_image_columns(sample.image, sample.image),
        }

    def _stored_prompt(self, sample: "_Sample") -> Prompt:
        return sample.pick("stored prompt", self.neutral)

    def _request(self, sample: "_Sample", name: str, prompt: Prompt, image: Pixels, temperature: float) -> Request:
        return Request(
            id=f"{sample.row['uid']}-{name.replace(' ', '-')}",
            prompt=prompt.fill(),
            image=image,
            system=prompt.system,
            max_tokens=self.max_tokens,
            temperature=temperature,
            seed=sample.choices.seed(name),
        )

    def _texts(self, sides: Sequence[Completion], answers: Sequence[Completion]) -> dict[str, Any]:
        """Return the columns of both texts; `answers` are all that were asked for them."""
        return text_columns(*(side.text.strip() for side in sides)) | {
            "pair_finish_reasons": [side.finish_reason for side in sides],
            "pair_prompt_tokens": sum(answer.prompt_tokens for answer in answers),
            "pair_completion_tokens": sum(answer.completion_tokens for answer in answers),
            "pair_model": self.engine.name if self.engine else None,
        }


@dataclass(frozen=True, slots=True)
class _Sample:
    """A row, what chance decides for it, and its image at its pixel budget; no image where nothing is asked."""

    row: Row
    choices: Choices
    image: Pixels | None

    @property
    def clean(self) -> Pixels:
        """Its image, for the kinds that an engine writes: those have one."""
        assert self.image is not None
        return self.image

    def pick(self, what: str, prompts: Sequence[Prompt]) -> Prompt:
        """Return one of the prompts."""
        return prompts[self.choices.index(what, len(prompts))]

    def evidence(self, evidence: Evidence) -> ImageEvidence:
        """Return what detectors and OCR found in its image."""
        return ImageEvidence(evidence, self.row["objects"], self.row["ocr_lines"], evidence.columns.read(self.row))


def _image_columns(chosen: Pixels | None, rejected: Pixels | None) -> dict[str, str]:
    """Return the digests of the images that both texts describe; nothing where none is decoded."""
    if chosen is None or rejected is None:
        return {}
    return {"pair_image_sha256": pixels_sha256(chosen), "pair_rejected_image_sha256": pixels_sha256(rejected)}
