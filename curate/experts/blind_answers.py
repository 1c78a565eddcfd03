"""Ask models without showing the image: a question that they can answer needs no image."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa

from curate.captions.questioning.blind import BLIND_V1, BlindPrompt, blind_result, model_names
from curate.captions.questioning.phrases import Phrases, Question
from curate.captions.questioning.verifiers import QaVerifiers
from curate.engines.asking import Conversation, Row, To, scorer
from curate.engines.engine import Engine, Request
from curate.errors import PlanError
from curate.stages import Pixels, Resources, Scorer, sum_gpus
from schemas.blind import BLIND

__all__ = ["BlindAnswers", "together"]

GREY = 128


@dataclass(frozen=True)
class BlindAnswers:
    """Add what `engine` and `others` answer to the questions of `qa` without the image; see `schemas.blind`.

    Each gets the question, two solved examples (`prompt`) and no image; those named in `grey`, models that need one,
    get a grey square. `verifiers` and `phrases` should be those of CaptionQA. A yes or no is guided, hence a guess
    where a model knows nothing: right half of the time. `SelectQuestions` decides what that means for a question.
    All engines run in one worker: hold GPU models as servers (`OpenAIServer`), or give each its share of a GPU.
    Source: MMStar (Chen et al. 2024, arXiv 2403.20330). Left out: its eight models (two closed, six of 20B and more);
    any engines will do, and fewer or smaller ones find less.
    """

    engine: Engine
    others: tuple[Engine, ...] = ()
    grey: tuple[str, ...] = ()
    grey_px: int = 224
    prompt: BlindPrompt = BLIND_V1
    phrases: Phrases = field(default_factory=Phrases)
    verifiers: QaVerifiers = field(default_factory=QaVerifiers)
    max_tokens: int = 48
    version: ClassVar[int] = 1
    needs: ClassVar[tuple[str, ...]] = ("qa",)
    adds: ClassVar[pa.Schema] = BLIND
    pixels: ClassVar[None] = None

    def __post_init__(self) -> None:
        names = [engine.name for engine in self.engines]
        if unknown := sorted(set(self.grey) - set(names)):
            raise PlanError(f"BlindAnswers: grey names {unknown}, and the engines are {names}")
        if self.grey_px < 28 or self.max_tokens < 1:
            raise PlanError(
                f"BlindAnswers: grey_px={self.grey_px} must be at least 28, max_tokens={self.max_tokens} at least 1"
            )

    @property
    def engines(self) -> tuple[Engine, ...]:
        """All blind models, in the order of their answers."""
        return (self.engine, *self.others)

    @property
    def resources(self) -> Resources:
        return together(self.engines)

    def check(self) -> None:
        for engine in self.engines:
            engine.check()

    def load(self) -> Scorer:
        for engine in self.engines:
            engine.start()
        return scorer(self.adds, None, self._answer)

    def _answer(self, row: Row, image: None) -> Conversation:
        """Ask every model each question of which CaptionQA could read the expected answer."""
        questions = row["qa"]
        checkable = [(number, question) for number, question in enumerate(questions or ()) if _is_checkable(question)]
        answers = yield [
            To(engine, self._request(f"{row['uid']}-blind-{number}", question, engine))
            for number, question in checkable
            for engine in self.engines
        ]
        if questions is None:
            return None
        texts = iter([answer.text.strip() for answer in answers])
        return {
            "qa_blind": [
                self._result(question, [next(texts) for _ in self.engines if _is_checkable(question)])
                for question in questions
            ],
            "qa_blind_models": model_names([engine.name for engine in self.engines], self.grey),
        }

    def _request(self, name: str, row: Mapping[str, Any], engine: Engine) -> Request:
        question = Question(row["kind"], row["question"], row["expected"], row["source"])
        return Request(
            id=name,
            prompt=self.prompt.fill(self.phrases.asked(question)),
            image=self._grey_image() if engine.name in self.grey else None,
            max_tokens=self.max_tokens,
            choices=("yes", "no") if row["kind"] == "yes_no" else (),
        )

    def _grey_image(self) -> Pixels:
        return np.full((self.grey_px, self.grey_px, 3), GREY, np.uint8)

    def _result(self, question: Mapping[str, Any], texts: Sequence[str]) -> dict[str, Any]:
        return blind_result(self.verifiers.of(question["kind"]), question["expected"], texts)


def _is_checkable(question: Mapping[str, Any]) -> bool:
    return question["verified"] is not None


def together(engines: Sequence[Engine]) -> Resources:
    """Return what one worker needs to hold all the engines; equal ones are one."""
    each = [engine.resources for engine in dict.fromkeys(engines)]
    workers = [one.workers for one in each if one.workers is not None]
    limits = [one.timeout_seconds for one in each]
    names = sorted({name for one in each for name, _ in one.custom})
    return Resources(
        cpus=sum(one.cpus for one in each),
        gpus=sum_gpus(one.gpus for one in each),
        workers=min(workers) if workers else None,
        batch_rows=max(one.batch_rows for one in each),
        in_flight=max(one.in_flight for one in each),
        timeout_seconds=None if None in limits else sum(limit for limit in limits if limit is not None),
        custom=tuple((name, sum(dict(one.custom).get(name, 0.0) for one in each)) for name in names),
        shards=max(one.shards for one in each),
    )
