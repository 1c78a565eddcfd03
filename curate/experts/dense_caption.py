"""Perceptual Fusion: a caption from the image and from what the experts saw in it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import islice
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa

from curate.captions.checking.guards import Guards
from curate.captions.choices import Choices
from curate.captions.prompting.hints import Hints
from curate.captions.prompting.prompts import FUSION_V1, Prompt
from curate.captions.text import split_words
from curate.captions.viewing.pixel_budget import PATCH_PX, PixelBudget, Tiling, fit_budget
from curate.captions.viewing.tile_merge import Part, join_captions, quote_captions
from curate.captions.viewing.views import Shown, View, show
from curate.engines.engine import Completion, Engine, Generate, Request
from curate.errors import PlanError, SampleError
from curate.stages import Batch, Measurement, Pixels, Resources, Scorer
from schemas.caption import CAPTION

__all__ = ["DenseCaption", "fit_budget"]


@dataclass(frozen=True)
class DenseCaption:
    """Add a dense caption that fuses the image with hints from other experts; see `schemas.caption`.

    `hints` says which columns are read and how they are written, `prompt` what is asked, `guards` what is marked
    afterwards. The size of the image is the largest lever on cost: it is sent with its longest side at
    `longest_side_px` or less or, with a `budget`, at the tier that its text and small objects need, which may be in
    tiles (docs/pixel-budget.md). The result of an engine depends on what else was in its batch in the low-order bits,
    so a caption once committed is kept; sampling (`temperature` > 0) is seeded per sample.
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
    budget: PixelBudget | None = None
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
        return tuple(dict.fromkeys(self.hints.needs + (self.budget.needs if self.budget else ())))

    @property
    def pixels(self) -> int:
        return self.budget.decode_px if self.budget else self.longest_side_px

    @property
    def resources(self) -> Resources:
        return self.engine.resources

    def check(self) -> None:
        self.engine.check()

    def load(self) -> Scorer:
        return partial(self._caption, generate=self.engine.load(), stage=repr(self))

    def _caption(self, batch: Batch, generate: Generate, stage: str) -> Measurement:
        drafts: list[_Draft] = []
        said = iter(generate(self._requests(batch, stage, drafts)))
        for draft in drafts:
            draft.answers.extend(islice(said, len(draft.views)))
        merging = [draft for draft in drafts if self._merge is not None and draft.parts and draft.error is None]
        merged = generate(self._merge_request(draft, stage) for draft in merging) if merging else []
        for draft, completion in zip(merging, merged, strict=True):
            draft.answers.append(completion)
        rows = [{} if draft.error else self._row(draft) for draft in drafts]
        columns: dict[str, list[Any]] = {name: [row.get(name) for row in rows] for name in CAPTION.names}
        return Measurement(
            columns,
            [draft.error for draft in drafts],
            [sum(each.latency_seconds for each in draft.answers) for draft in drafts],
        )

    def _requests(self, batch: Batch, stage: str, drafts: list["_Draft"]) -> Iterator[Request]:
        """Yield the requests one by one, as the engine takes them; `drafts` receives what is sent of each image."""
        rows = batch.table.select(["uid", *self.needs]).to_pylist()
        for row, image in zip(rows, batch.images, strict=True):
            shown = show(row, image, self._budget)
            draft = _Draft(row["uid"], shown)
            drafts.append(draft)
            for view in shown.views(image, self.hints, self._tiling.tile_px):
                draft.views.append(view)
                if view.tile is None and self._merge is not None and shown.plan is not None:
                    draft.whole = view.picture
                yield self._request(draft, view, stage)
                draft.views[-1] = replace(view, picture=NOTHING)  # the engine has it; a batch of tiles is large

    def _request(self, draft: "_Draft", view: View, stage: str) -> Request:
        prompt = self.prompt
        if view.tile and (tag := view.tile.tag(self._tiling.tag)):
            prompt = replace(prompt, text=f"{prompt.text}\n{tag}")
        return self._ask(draft.uid, view.name, prompt.fill(view.hints), view.picture, stage)

    def _merge_request(self, draft: "_Draft", stage: str) -> Request:
        """Ask for one caption: the global view, its hints, and what was said of each tile, as quoted data."""
        prompt, hints = self._merge or self.prompt, draft.views[0].hints
        close = quote_captions(draft.parts, self._tiling.max_characters)
        block = f"{hints}\n{close}" if hints else close
        return self._ask(draft.uid, "-merge", prompt.fill(block), draft.whole, stage)

    def _ask(self, uid: str, name: str, text: str, picture: Pixels | None, stage: str) -> Request:
        return Request(
            id=uid + name,
            prompt=text,
            image=picture,
            system=self.prompt.system,
            max_tokens=self.max_tokens,
            temperature=self.temperature,
            seed=Choices(self.seed, stage, uid).seed(f"caption{name}"),
        )

    def _row(self, draft: "_Draft") -> dict[str, Any]:
        last, parts, merge = draft.answers[-1], draft.parts, self._merge
        if merge is None or not parts:
            last, merge = draft.answers[0], None
        text = last.text.strip()
        if parts and merge is None:
            text = join_captions(text, parts, agreed=self._tiling.agreed)
        shown = draft.shown
        tags = [part.tile.tag(self._tiling.tag) for part in parts]
        asked = merge or self.prompt
        asked = replace(asked, text="\n".join([asked.text, *tags]))
        return {
            "caption": text,
            "caption_words": len(split_words(text)),
            "caption_marks": self.guards.mark(text, last.finish_reason, asked),
            "caption_prompt_id": f"{self.prompt.id}+{merge.id}" if merge else self.prompt.id,
            "caption_model": self.engine.name,
            "caption_hints": draft.views[0].hints,
            "caption_prompt_tokens": sum(each.prompt_tokens for each in draft.answers),
            "caption_completion_tokens": sum(each.completion_tokens for each in draft.answers),
            "caption_finish_reason": last.finish_reason,
            "caption_pixels_reason": shown.tier.reason,
            "caption_tier_px": shown.tier.longest_side_px,
            "caption_longest_side_px": shown.longest_side_px,
            "caption_tiles": len(parts),
            "caption_parts": _written(draft.answers[0], parts) if parts else [],
        }

    @property
    def _budget(self) -> PixelBudget:
        side = self.longest_side_px
        return self.budget or PixelBudget(sides_px=(side,), tiles=None, fixed_px=side)

    @property
    def _tiling(self) -> Tiling:
        return self._budget.tiles or Tiling()

    @property
    def _merge(self) -> Prompt | None:
        return self._tiling.merge


NOTHING: Pixels = np.zeros((0, 0, 3), np.uint8)


@dataclass(slots=True)
class _Draft:
    """One sample on its way: what is sent of it, and what comes back, the merge's answer last."""

    uid: str
    shown: Shown
    views: list[View] = field(default_factory=list)
    answers: list[Completion] = field(default_factory=list)
    whole: Pixels | None = None

    @property
    def parts(self) -> list[Part]:
        """What was said of each tile."""
        said = zip(self.views, self.answers, strict=False)  # a merge has an answer and no view
        return [Part(view.tile, answer.text.strip(), view.hints) for view, answer in said if view.tile]

    @property
    def error(self) -> SampleError | None:
        """The first trouble: a sample with a tile that failed is not captioned."""
        return next((answer.error for answer in self.answers if answer.error), None)


def _written(whole: Completion, parts: Sequence[Part]) -> list[dict[str, Any]]:
    """Return the answers that the caption was made of, the whole image's first."""
    first = {"grid": 0, "box": [0.0, 0.0, 1.0, 1.0], "text": whole.text.strip()}
    return [first, *({"grid": p.tile.grid, "box": list(p.tile.box), "text": p.text} for p in parts)]
