"""Perceptual Fusion: caption an image with the measurements of other experts as hints."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, ClassVar

import pyarrow as pa

from curate.captions.checking.guards import Guards
from curate.captions.choices import Choices
from curate.captions.prompting.hints import Hints
from curate.captions.prompting.prompts import FUSION_V2, Prompt
from curate.captions.text import split_words
from curate.captions.viewing.pixel_budget import PATCH_PX, PixelBudget, Tiling
from curate.captions.viewing.tile_merge import Part, join_captions, quote_captions
from curate.captions.viewing.views import View, show
from curate.engines.asking import Conversation, Row, scorer
from curate.engines.engine import Completion, Engine, Request
from curate.errors import PlanError
from curate.stages import Pixels, Resources, Scorer
from schemas.caption import CAPTION
from schemas.fields import about, values_about
from schemas.prefix import check_prefix, repr_without_defaults

__all__ = ["DenseCaption"]


@dataclass(frozen=True)
class DenseCaption:
    """Add a dense caption that fuses the image with hints from other experts; see `schemas.caption`.

    `hints` says which columns are read and how they are written, `prompt` what is asked, `guards` what is marked
    afterwards. The size of the image is the largest lever on cost: it is sent with its longest side at
    `longest_side_px` or less or, with a `budget`, at the tier that its text and small objects need, which may be in
    tiles (docs/pixel-budget.md). The result of an engine depends on what else was in its batch in the low-order bits,
    so a caption once committed is kept; sampling (`temperature` > 0) is seeded per sample. The columns begin with
    `column`: several captioners of one pipeline have one each (docs/several-captions.md).
    Source: DenseFusion-1M (Li et al. 2024, arXiv 2407.08303). Left out: its own trained caption engine (any
    vision-language model is used instead), tags from RAM++, the undisclosed thresholds.
    """

    engine: Engine
    prompt: Prompt = FUSION_V2
    hints: Hints = field(default_factory=Hints)
    guards: Guards = field(default_factory=Guards)
    longest_side_px: int = 448
    max_tokens: int = 512
    temperature: float = 0.0
    seed: int = 0
    budget: PixelBudget | None = None
    column: str = "caption"
    version: ClassVar[int] = 1

    def __post_init__(self) -> None:
        check_prefix(self.column)
        if self.longest_side_px < PATCH_PX or self.max_tokens < 1 or self.temperature < 0:
            raise PlanError(
                f"DenseCaption: longest_side_px={self.longest_side_px} must be at least {PATCH_PX}, "
                f"max_tokens={self.max_tokens} at least 1, temperature={self.temperature} at least 0"
            )

    def __repr__(self) -> str:
        return repr_without_defaults(self, "column")

    @property
    def adds(self) -> pa.Schema:
        return about(CAPTION, self.column)

    @property
    def needs(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(self.hints.needs + (self.budget.needs if self.budget else ())))

    @property
    def pixels(self) -> int:
        return self._budget.decode_px if self.budget else self.longest_side_px

    @property
    def resources(self) -> Resources:
        return self.engine.resources

    def check(self) -> None:
        self.engine.check()

    def load(self) -> Scorer:
        self.engine.start()
        return scorer(self.adds, self.engine, partial(self._caption, stage=repr(self)))

    def _caption(self, row: Row, image: Pixels, stage: str) -> Conversation:
        """Ask about the whole image and each of its tiles; if a model merges, ask again with what was answered."""
        shown = show(row, image, self._budget, self.engine.facts.images)
        views = list(shown.views(image, self.hints, self._tiling.tile_px))
        answers = yield (self._request(row, view, self._tagged(view).fill(view.hints), stage) for view in views)
        whole, last, parts = views[0], answers[0], _parts(views, answers)
        text, prompt, prompt_id = last.text.strip(), self.prompt, self.prompt.id
        captions = _written(text, parts) if parts else []
        if parts and self._tiling.merge:
            prompt, prompt_id = self._tiling.merge, f"{prompt_id}+{self._tiling.merge.id}"
            (last,) = yield [self._merge_request(row, whole, parts, stage)]
            answers, text = [*answers, last], last.text.strip()
        elif parts:
            text = join_captions(text, parts, agreed=self._tiling.agreed)
        tags = [part.tile.tag(self._tiling.tag) for part in parts]
        columns = {
            "caption": text,
            "caption_words": len(split_words(text)),
            "caption_marks": self.guards.mark(text, last.finish_reason, _with_lines(prompt, tags)),
            "caption_prompt_id": prompt_id,
            "caption_model": self.engine.name,
            "caption_hints": whole.hints,
            "caption_prompt_tokens": sum(answer.prompt_tokens for answer in answers),
            "caption_completion_tokens": sum(answer.completion_tokens for answer in answers),
            "caption_finish_reason": last.finish_reason,
            "caption_pixels_reason": shown.tier.reason,
            "caption_tier_px": shown.tier.longest_side_px,
            "caption_longest_side_px": shown.longest_side_px,
            "caption_tiles": len(parts),
            "caption_parts": captions,
        }
        return values_about(columns, self.column)

    def _request(self, row: Row, view: View, text: str, stage: str, name: str | None = None) -> Request:
        name = view.name if name is None else name
        return Request(
            id=row["uid"] + name,
            prompt=text,
            image=view.image(),
            system=self.prompt.system,
            max_tokens=self.max_tokens,
            temperature=self.temperature,
            seed=Choices(self.seed, stage, row["uid"]).seed(f"caption{name}"),
        )

    def _merge_request(self, row: Row, whole: View, parts: Sequence[Part], stage: str) -> Request:
        """Ask for one caption: the global view, its hints, and the captions of the tiles, as quoted data."""
        prompt = self._tiling.merge or self.prompt
        captions = quote_captions(parts, self._tiling.max_characters)
        block = f"{whole.hints}\n{captions}" if whole.hints else captions
        return self._request(row, whole, prompt.fill(block), stage, "-merge")

    def _tagged(self, view: View) -> Prompt:
        tag = view.tile.tag(self._tiling.tag) if view.tile else ""
        return _with_lines(self.prompt, [tag] if tag else [])

    @property
    def _budget(self) -> PixelBudget:
        side = self.longest_side_px
        if self.budget is None:
            return PixelBudget(sides_px=(side,), tiles=None, fixed_px=side)
        return self.budget.for_images(self.engine.facts.images)

    @property
    def _tiling(self) -> Tiling:
        return self._budget.tiles or Tiling()


def _parts(views: Sequence[View], answers: Sequence[Completion]) -> list[Part]:
    """Return the caption of each tile; none if the image was shown in one piece."""
    pairs = zip(views, answers, strict=True)
    return [Part(view.tile, answer.text.strip(), view.hints) for view, answer in pairs if view.tile]


def _with_lines(prompt: Prompt, lines: Sequence[str]) -> Prompt:
    return replace(prompt, text="\n".join([prompt.text, *lines]))


def _written(whole: str, parts: Sequence[Part]) -> list[dict[str, Any]]:
    """Return the captions that the caption was made of, the whole image's first."""
    first = {"grid": 0, "box": [0.0, 0.0, 1.0, 1.0], "text": whole}
    return [first, *({"grid": p.tile.grid, "box": list(p.tile.box), "text": p.text} for p in parts)]
