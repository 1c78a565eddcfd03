"""Perceptual Fusion: a caption from the picture and from what the experts saw in it."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, ClassVar

import pyarrow as pa

from curate.captions.choices import Choices
from curate.captions.guards import Guards
from curate.captions.hints import Hints
from curate.captions.prompts import FUSION_V1, Prompt
from curate.engines.engine import Completion, Engine, Generate, Request
from curate.errors import PlanError
from curate.experts.text_facts import split_words
from curate.pixels import resize
from curate.stages import Batch, Measurement, Pixels, Resources, Scorer
from schemas.caption import CAPTION

__all__ = ["DenseCaption", "fit_budget"]

PATCH_PX = 28  # what one visual token of the Qwen-VL family covers; a whole number of them spares a second resize


@dataclass(frozen=True)
class DenseCaption:
    """Add a dense caption that fuses the picture with hints from other experts; see `schemas.caption`.

    `hints` says which columns are read and how they are written, `prompt` what is asked, `guards` what is marked
    afterwards. The picture is sent with its longest side at `longest_side_px` or less: the largest lever on cost. The
    result of an engine depends on what else was in its batch in the low-order bits, so a caption once committed is
    kept; sampling (`temperature` > 0) is seeded per sample.
    Source: DenseFusion-1M (Li et al. 2024, arXiv 2407.08303). Left out: its own trained caption engine (any
    vision-language model is used instead), tags from RAM++, the undisclosed thresholds.
    """

    engine: Engine
    prompt: Prompt = FUSION_V1
    hints: Hints = field(default_factory=Hints)
    guards: Guards = field(default_factory=Guards)
    longest_side_px: int = 448
    max_tokens: int = 512
    temperature: float = 0.0
    seed: int = 0
    version: ClassVar[int] = 1
    adds: ClassVar[pa.Schema] = CAPTION

    def __post_init__(self) -> None:
        if self.longest_side_px < PATCH_PX or self.max_tokens < 1 or self.temperature < 0:
            raise PlanError(
                f"DenseCaption: longest_side_px={self.longest_side_px} must be at least {PATCH_PX}, "
                f"max_tokens={self.max_tokens} at least 1, temperature={self.temperature} at least 0"
            )

    @property
    def needs(self) -> tuple[str, ...]:
        return self.hints.needs

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

        def caption(batch: Batch) -> Measurement:
            return self._caption(batch, generate, stage)

        return caption

    def _caption(self, batch: Batch, generate: Generate, stage: str) -> Measurement:
        hints: list[str] = []
        completions = generate(self._requests(batch, stage, hints))
        rows = [self._row(*pair) for pair in zip(completions, hints, strict=True)]
        columns: dict[str, list[Any]] = {name: [row.get(name) for row in rows] for name in CAPTION.names}
        return columns | {
            "error": [completion.error for completion in completions],
            "latency_seconds": [completion.latency_seconds for completion in completions],
        }

    def _requests(self, batch: Batch, stage: str, hints: list[str]) -> Iterator[Request]:
        """Yield the requests one by one, as the engine takes them; `hints` receives the block of each."""
        rows = batch.table.select(["uid", *self.needs]).to_pylist()
        for row, image in zip(rows, batch.images, strict=True):
            picture = fit_budget(image, self.longest_side_px)
            hints.append(self.hints.render(row, picture.shape[1], picture.shape[0]))
            yield Request(
                id=row["uid"],
                prompt=self.prompt.fill(hints[-1]),
                image=picture,
                system=self.prompt.system,
                max_tokens=self.max_tokens,
                temperature=self.temperature,
                seed=Choices(self.seed, stage, row["uid"]).seed("caption"),
            )

    def _row(self, completion: Completion, hints: str) -> dict[str, Any]:
        if completion.error is not None:
            return {}
        text = completion.text.strip()
        return {
            "caption": text,
            "caption_words": len(split_words(text)),
            "caption_marks": self.guards.mark(text, completion.finish_reason, self.prompt),
            "caption_prompt_id": self.prompt.id,
            "caption_model": self.engine.name,
            "caption_hints": hints,
            "caption_prompt_tokens": completion.prompt_tokens,
            "caption_completion_tokens": completion.completion_tokens,
            "caption_finish_reason": completion.finish_reason,
        }


def fit_budget(image: Pixels, longest_side_px: int) -> Pixels:
    """Return the picture within a square of so many px, its sides whole numbers of 28 px patches, at least one.

    It is scaled down as far as needed, and up by less than one patch a side.
    """
    height, width = image.shape[:2]
    scale = min(1.0, longest_side_px / max(height, width))
    most = longest_side_px // PATCH_PX
    columns, rows = (min(most, max(1, round(side * scale / PATCH_PX))) for side in (width, height))
    return resize(image, columns * PATCH_PX, rows * PATCH_PX)
