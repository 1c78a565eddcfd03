"""STIC: preference pairs that a model makes for itself, from prompts and pictures that lead it astray."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa

from curate.captions.choices import Choices
from curate.captions.corrupt import color_jitter, low_resolution, pixels_sha256
from curate.captions.prompts import MISLEADING_V1, NEUTRAL_V1, STEP_BY_STEP_V1, Prompt
from curate.engines.engine import Completion, Engine, Generate, Request
from curate.errors import PlanError
from curate.experts.dense_caption import fit_budget
from curate.stages import Batch, Measurement, Pixels, Resources, Scorer
from schemas.preference import PREFERENCE

__all__ = ["PreferencePair"]


@dataclass(frozen=True)
class PreferencePair:
    """Add a pair of a better and a worse description to a share of the samples; see `schemas.preference`.

    Better: the step-by-step prompt on the clean picture. Worse, by the flip of a coin: one of the `misleading` prompts
    on the clean picture, or one of the `neutral` prompts on a corrupted one (another coin: the short side scaled to
    `low_resolution_px`, or brightness and hue turned by up to `brightness` and `hue`). All that chance decides is a
    hash of (seed, stage, uid). A corruption that changes no pixel (a plain picture) gives way to the other, and
    then to a misleading prompt. A sample outside `share` has null everywhere and no error.
    Source: STIC (Deng et al. 2024, arXiv 2405.19716), with our wording of its prompts. Its released script never
    corrupts a picture and does not keep the prompts that made the texts; both are mended here.
    """

    engine: Engine
    share: float = 1.0
    chosen: Prompt = STEP_BY_STEP_V1
    misleading: tuple[Prompt, ...] = MISLEADING_V1
    neutral: tuple[Prompt, ...] = NEUTRAL_V1
    misleading_share: float = 0.5
    low_resolution_px: int = 20
    brightness: float = 0.5
    hue: float = 0.3
    longest_side_px: int = 448
    max_tokens: int = 1024
    temperature: float = 0.2
    seed: int = 0
    version: ClassVar[int] = 1
    needs: ClassVar[tuple[str, ...]] = ()
    adds: ClassVar[pa.Schema] = PREFERENCE

    def __post_init__(self) -> None:
        for name, top in (("share", 1.0), ("misleading_share", 1.0), ("brightness", 1.0), ("hue", 0.5)):
            if not 0 <= getattr(self, name) <= top:
                raise PlanError(f"PreferencePair: {name} is {getattr(self, name)}; it must be between 0 and {top}")
        if not self.misleading or not self.neutral:
            raise PlanError("PreferencePair: misleading and neutral need at least one prompt each")

    @property
    def pixels(self) -> int:
        return self.longest_side_px

    @property
    def resources(self) -> Resources:
        return self.engine.resources

    def check(self) -> None:
        self.engine.check()

    def load(self) -> Scorer:
        generate, stage = self.engine.load(), repr(self)

        def pair(batch: Batch) -> Measurement:
            return self._pair(batch, generate, stage)

        return pair

    def _pair(self, batch: Batch, generate: Generate, stage: str) -> Measurement:
        drafts: list[dict[str, Any] | None] = []
        completions = iter(generate(self._requests(batch, stage, drafts)))
        rows, errors, seconds = [], [], []
        for draft in drafts:
            better, worse = (next(completions), next(completions)) if draft is not None else (None, None)
            rows.append(self._row(draft, better, worse))
            errors.append((better and better.error) or (worse and worse.error))
            seconds.append(better.latency_seconds + worse.latency_seconds if better and worse else None)
        columns: dict[str, list[Any]] = {name: [row.get(name) for row in rows] for name in PREFERENCE.names}
        return columns | {"error": errors, "latency_seconds": seconds}

    def _requests(self, batch: Batch, stage: str, drafts: list[dict[str, Any] | None]) -> Iterator[Request]:
        """Yield two requests per chosen sample, as the engine takes them; `drafts` receives what chance decided."""
        for uid, image in zip(batch.table["uid"].to_pylist(), batch.images, strict=True):
            choices = Choices(self.seed, stage, uid)
            if choices.fraction("share") >= self.share:
                drafts.append(None)
                continue
            clean = fit_budget(image, self.longest_side_px)
            prompt, shown, draft = self._worse(clean, choices)
            drafts.append(draft)
            yield self._request(f"{uid}-chosen", self.chosen, clean, choices.seed("chosen"))
            yield self._request(f"{uid}-rejected", prompt, shown, choices.seed("rejected"))

    def _worse(self, clean: Pixels, choices: Choices) -> tuple[Prompt, Pixels, dict[str, Any]]:
        """Return the prompt and the picture of the worse side, and all columns that are known before the texts."""
        stored = self.neutral[choices.index("stored prompt", len(self.neutral))]
        shown, name, parameters = clean, None, None
        if choices.fraction("kind") >= self.misleading_share:
            shown, name, parameters = self._corrupt(clean, choices)
        digest, shown_digest = pixels_sha256(clean), pixels_sha256(shown)
        if shown_digest != digest:
            kind, prompt = "corrupted_image", self.neutral[choices.index("neutral", len(self.neutral))]
        else:
            kind, prompt = "misleading_prompt", self.misleading[choices.index("misleading", len(self.misleading))]
            name = parameters = None
        draft = {
            "pair_prompt": stored.fill(),
            "pair_chosen_prompt": self.chosen.fill(),
            "pair_rejected_prompt": prompt.fill(),
            "pair_kind": kind,
            "pair_corruption": name,
            "pair_corruption_parameters": parameters,
            "pair_image_sha256": digest,
            "pair_rejected_image_sha256": shown_digest,
            "pair_model": self.engine.name,
        }
        return prompt, shown, draft

    def _corrupt(self, clean: Pixels, choices: Choices) -> tuple[Pixels, str, str]:
        """Return the corrupted picture, what was done to it, and with which parameters (JSON)."""
        brightness = round(choices.between("brightness", 1 - self.brightness, 1 + self.brightness), 4)
        hue = round(choices.between("hue", -self.hue, self.hue), 4)
        ways = [
            (
                "low_resolution",
                low_resolution(clean, self.low_resolution_px),
                {"short_side_px": self.low_resolution_px},
            ),
            ("color_jitter", color_jitter(clean, brightness, hue), {"brightness": brightness, "hue": hue}),
        ]
        if choices.fraction("corruption") >= 0.5:
            ways.reverse()
        name, shown, parameters = next((way for way in ways if not np.array_equal(way[1], clean)), ways[0])
        return shown, name, json.dumps(parameters)

    def _request(self, number: str, prompt: Prompt, image: Pixels, seed: int) -> Request:
        return Request(
            id=number,
            prompt=prompt.fill(),
            image=image,
            system=prompt.system,
            max_tokens=self.max_tokens,
            temperature=self.temperature,
            seed=seed,
        )

    def _row(self, draft: dict[str, Any] | None, better: Completion | None, worse: Completion | None) -> dict[str, Any]:
        if draft is None or better is None or worse is None or better.error or worse.error:
            return {}
        return draft | {
            "pair_chosen": better.text.strip(),
            "pair_rejected": worse.text.strip(),
            "pair_prompt_tokens": better.prompt_tokens + worse.prompt_tokens,
            "pair_completion_tokens": better.completion_tokens + worse.completion_tokens,
            "pair_finish_reasons": [better.finish_reason, worse.finish_reason],
        }
