"""A model's own description of an image, to be put before the questions of training rows."""

from dataclasses import dataclass
from functools import partial
from typing import ClassVar

import pyarrow as pa

from curate.captions.choices import Choices
from curate.captions.prompting.prompts import NEUTRAL_V1, Prompt
from curate.captions.viewing.pixel_budget import fit_budget
from curate.engines.asking import Conversation, Row, scorer
from curate.engines.engine import Engine, Request
from curate.errors import PlanError
from curate.stages import Pixels, Resources, Scorer
from schemas.description import DESCRIPTION

__all__ = ["Description"]


@dataclass(frozen=True)
class Description:
    """Describe the image under one of `prompts`, drawn by a hash of (seed, stage, uid) and recorded.

    The text goes into training rows by the export `described_sft`.
    Source: STIC's second stage (Deng et al. 2024, arXiv 2405.19716), which draws one of eight neutral prompts; our
    wording of them. Left out: fine-tuning the model on its pairs before it describes.
    """

    engine: Engine
    prompts: tuple[Prompt, ...] = NEUTRAL_V1
    longest_side_px: int = 448
    max_tokens: int = 1024
    temperature: float = 0.2
    seed: int = 0
    version: ClassVar[int] = 1
    needs: ClassVar[tuple[str, ...]] = ()
    adds: ClassVar[pa.Schema] = DESCRIPTION

    def __post_init__(self) -> None:
        if not self.prompts or self.max_tokens < 1 or self.temperature < 0:
            raise PlanError(
                f"Description: it needs a prompt; max_tokens={self.max_tokens} must be at least 1, "
                f"temperature={self.temperature} at least 0"
            )

    @property
    def pixels(self) -> int:
        return self.longest_side_px

    @property
    def resources(self) -> Resources:
        return self.engine.resources

    def check(self) -> None:
        self.engine.check()

    def load(self) -> Scorer:
        self.engine.start()
        return scorer(self.adds, self.engine, partial(self._describe, stage=repr(self)))

    def _describe(self, row: Row, image: Pixels, stage: str) -> Conversation:
        choices = Choices(self.seed, stage, row["uid"])
        prompt = self.prompts[choices.index("prompt", len(self.prompts))]
        request = Request(
            id=row["uid"],
            prompt=prompt.fill(),
            image=fit_budget(image, self.longest_side_px, self.engine.facts.images),
            system=prompt.system,
            max_tokens=self.max_tokens,
            temperature=self.temperature,
            seed=choices.seed("description"),
        )
        (answer,) = yield [request]
        return {
            "description": answer.text.strip(),
            "description_prompt": prompt.fill(),
            "description_prompt_id": prompt.id,
            "description_model": self.engine.name,
            "description_prompt_tokens": answer.prompt_tokens,
            "description_completion_tokens": answer.completion_tokens,
            "description_finish_reason": answer.finish_reason,
        }
