"""Preference pairs: a better and a worse description of an image, made in known ways."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import repeat
from typing import Any, ClassVar, Final

import pyarrow as pa

from curate.captions.checking.evidence import Evidence
from curate.captions.checking.truth import Seen
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
from curate.engines.engine import Completion, Engine, Generate, Request
from curate.errors import PlanError, SampleError
from curate.experts.dense_caption import fit_budget
from curate.stages import Batch, Measurement, Pixels, Resources, Scorer
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
    - `ranked_samples`: `samples` answers to one neutral prompt at `sample_temperature`; best and worst by the evidence
      score of
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
        return (*((self.text,) if edited else ()), *(("objects", "ocr_lines") if evidence else ()))

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
        generate = self.engine.load() if self.engine is not None and self._written else _ask_nobody
        stage = repr(self)

        def pair(batch: Batch) -> Measurement:
            return self._pair(_samples(batch, self, stage), generate)

        return pair

    def _pair(self, samples: list["_Sample"], generate: Generate) -> Measurement:
        """Ask until every sample has a pair or no kind left; almost always once."""
        waiting = [sample for sample in samples if sample.choices.fraction("share") < self.share]
        while waiting:
            drafts: list[_Draft] = []
            completions = iter(generate(self._requests(waiting, drafts)))
            waiting = []
            for draft in drafts:
                answers = [next(completions) for _ in draft.requests]
                draft.sample.seconds += sum(answer.latency_seconds for answer in answers)
                draft.sample.error = next((answer.error for answer in answers if answer.error), None)
                if draft.sample.error is None and not self._finish(draft, answers):
                    waiting.append(draft.sample)
        columns: dict[str, list[Any]] = {name: [one.row.get(name) for one in samples] for name in PREFERENCE.names}
        seconds = [one.seconds if one.seconds else None for one in samples]
        return Measurement(columns, [one.error for one in samples], seconds)

    def _requests(self, samples: list["_Sample"], drafts: list["_Draft"]) -> Iterator[Request]:
        """Yield the requests of each sample's next possible kind, as the engine takes them; `drafts` receives it."""
        for sample in samples:
            draft = next((found for kind in sample.kinds if (found := self._draft(kind, sample))), None)
            if draft is not None:
                drafts.append(draft)
                yield from draft.requests

    def _draft(self, kind: str, sample: "_Sample") -> "_Draft | None":
        if kind in EDIT_KINDS:
            return self._edit(kind, sample)
        clean = sample.clean(self.longest_side_px)
        stored = self.neutral[sample.choices.index("stored prompt", len(self.neutral))]
        row: dict[str, Any] = {
            "pair_kind": kind,
            "pair_prompt": stored.fill(),
            "pair_image_sha256": pixels_sha256(clean),
            "pair_rejected_image_sha256": pixels_sha256(clean),
        }
        if kind == "ranked_samples":
            numbers = [f"candidate {i}" for i in range(self.samples)]
            draft = _Draft(sample, row | {"pair_candidates": self.samples} | prompt_columns(stored, stored))
            draft.requests = [self._request(draft, what, stored, clean, self.sample_temperature) for what in numbers]
            return draft
        prompt, shown = self.neutral[sample.choices.index("neutral", len(self.neutral))], clean
        if kind == "misleading_prompt":
            prompt = self.misleading[sample.choices.index("misleading", len(self.misleading))]
            row["pair_misleading_kind"] = misleading_kind(prompt.id)
        elif (corrupted := self.corruptions.draw(clean, sample.choices)) is not None:
            shown, row["pair_corruption"], parameters = corrupted
            row["pair_corruption_parameters"] = json.dumps(parameters)
            row["pair_rejected_image_sha256"] = pixels_sha256(shown)
        else:
            return None
        draft = _Draft(sample, row | prompt_columns(self.chosen, prompt))
        draft.requests = [
            self._request(draft, "chosen", self.chosen, clean, self.temperature),
            self._request(draft, "rejected", prompt, shown, self.temperature),
        ]
        return draft

    def _edit(self, kind: str, sample: "_Sample") -> "_Draft | None":
        """Return the finished pair of a caption and its edit, or None where the evidence allows none of this kind."""
        text = sample.facts[self.text]
        changes = make_edit(kind, text, sample.seen(self.evidence), sample.choices) if text else None
        if not changes:
            return None
        row = {
            "pair_kind": kind,
            "pair_prompt": self.neutral[sample.choices.index("stored prompt", len(self.neutral))].fill(),
            "pair_edits": [change.to_dict() for change in changes],
            **text_columns(text, apply(text, changes)),
            **dict.fromkeys(("pair_prompt_tokens", "pair_completion_tokens"), 0),
            "pair_finish_reasons": [],
        }
        if sample.image is not None:
            digest = pixels_sha256(sample.clean(self.longest_side_px))
            row |= {"pair_image_sha256": digest, "pair_rejected_image_sha256": digest}
        return _Draft(sample, row)

    def _request(self, draft: "_Draft", what: str, prompt: Prompt, image: Pixels, temperature: float) -> Request:
        return Request(
            id=f"{draft.sample.uid}-{what.replace(' ', '-')}",
            prompt=prompt.fill(),
            image=image,
            system=prompt.system,
            max_tokens=self.max_tokens,
            temperature=temperature,
            seed=draft.sample.choices.seed(what),
        )

    def _finish(self, draft: "_Draft", answers: list[Completion]) -> bool:
        """Fill the row of the sample; False when all candidates are the same text."""
        row, sample = draft.row, draft.sample
        if answers:
            sides = answers
            if row["pair_kind"] == "ranked_samples":
                seen, texts = sample.seen(self.evidence), [answer.text.strip() for answer in answers]
                best = best_and_worst(texts, [seen.score(text) for text in texts])
                if best is None:
                    return False
                sides = [answers[i] for i in best]
            row |= text_columns(*(side.text.strip() for side in sides)) | {
                "pair_finish_reasons": [side.finish_reason for side in sides],
                "pair_prompt_tokens": sum(answer.prompt_tokens for answer in answers),
                "pair_completion_tokens": sum(answer.completion_tokens for answer in answers),
                "pair_model": self.engine.name if self.engine else None,
            }
        sample.row = row
        return True


@dataclass
class _Sample:
    """A sample on its way to a pair: `kinds` are those not yet tried, in the order that chance drew."""

    uid: str
    facts: dict[str, Any]
    image: Pixels | None
    choices: Choices
    kinds: Iterator[str]
    row: dict[str, Any] = field(default_factory=dict)
    error: SampleError | None = None
    seconds: float = 0.0
    fitted: Pixels | None = None

    def clean(self, longest_side_px: int) -> Pixels:
        """Return the image at its pixel budget."""
        assert self.image is not None
        if self.fitted is None:
            self.fitted = fit_budget(self.image, longest_side_px)
        return self.fitted

    def seen(self, evidence: Evidence) -> Seen:
        """Return what its image shows."""
        return Seen(evidence, self.facts["objects"], self.facts["ocr_lines"])


@dataclass
class _Draft:
    """What is known of a pair before the texts are, and the requests that ask for them."""

    sample: _Sample
    row: dict[str, Any]
    requests: list[Request] = field(default_factory=list)


def _samples(batch: Batch, pair: PreferencePair, stage: str) -> list[_Sample]:
    facts = batch.table.select(["uid", *pair.needs]).to_pylist()
    found = []
    for row, image in zip(facts, batch.images or repeat(None, len(facts)), strict=True):
        choices = Choices(pair.seed, stage, row["uid"])
        found.append(_Sample(row["uid"], row, image, choices, in_drawn_order(pair.weights, choices)))
    return found


def _ask_nobody(requests: Iterable[Request]) -> list[Completion]:
    assert next(iter(requests), None) is None  # edits ask nothing
    return []
