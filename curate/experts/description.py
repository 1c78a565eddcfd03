"""A model's own description of an image, to be put before the questions of training rows."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

import pyarrow as pa

from curate.captions.choices import Choices
from curate.captions.prompting.prompts import NEUTRAL_V1, Prompt
from curate.engines.engine import Completion, Engine, Generate, Request
from curate.errors import PlanError
from curate.experts.dense_caption import fit_budget
from curate.stages import Batch, Measurement, Resources, Scorer
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
        return partial(self._describe, generate=self.engine.load(), stage=repr(self))

    def _describe(self, batch: Batch, generate: Generate, stage: str) -> Measurement:
        drawn: list[Prompt] = []
        answers = generate(self._requests(batch, stage, drawn))
        rows = [self._row(*pair) for pair in zip(answers, drawn, strict=True)]
        columns: dict[str, list[Any]] = {name: [row.get(name) for row in rows] for name in DESCRIPTION.names}
        return Measurement(
            columns, [answer.error for answer in answers], [answer.latency_seconds for answer in answers]
        )

    def _requests(self, batch: Batch, stage: str, drawn: list[Prompt]) -> Iterator[Request]:
        for uid, image in zip(batch.table["uid"].to_pylist(), batch.images, strict=True):
            choices = Choices(self.seed, stage, uid)
            drawn.append(self.prompts[choices.index("prompt", len(self.prompts))])
            yield Request(
                id=uid,
                prompt=drawn[-1].fill(),
                image=fit_budget(image, self.longest_side_px),
                system=drawn[-1].system,
                max_tokens=self.max_tokens,
                temperature=self.temperature,
                seed=choices.seed("description"),
            )

    def _row(self, answer: Completion, prompt: Prompt) -> dict[str, Any]:
        if answer.error is not None:
            return {}
        return {
            "description": answer.text.strip(),
            "description_prompt": prompt.fill(),
            "description_prompt_id": prompt.id,
            "description_model": self.engine.name,
            "description_prompt_tokens": answer.prompt_tokens,
            "description_completion_tokens": answer.completion_tokens,
            "description_finish_reason": answer.finish_reason,
        }
