"""Let models without eyes answer: a question that they can answer needs no image."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa

from curate.captions.questioning.blind import BLIND_V1, BlindPrompt
from curate.captions.questioning.phrases import Phrases, Question
from curate.captions.questioning.verifiers import holds
from curate.engines.engine import Completion, Engine, Generate, Request
from curate.errors import PlanError
from curate.experts.caption_qa import QaVerifiers
from curate.stages import Batch, Measurement, Resources, Scorer
from schemas.blind import BLIND

__all__ = ["BlindAnswers", "together"]

GREY = 128


@dataclass(frozen=True)
class BlindAnswers:
    """Add what `engine` and `others` answer to the questions of `qa` without the image; see `schemas.blind`.

    Each gets the question, two solved examples (`prompt`) and no image; those named in `grey`, models that need one,
    get a grey square. `verifiers` and `phrases` should be those of CaptionQA. A yes or no is guided, hence a guess
    where a model knows nothing: right half of the time. `SelectQuestions` decides what that means for a question.
    All engines live in one worker: hold GPU models as servers (`OpenAIServer`), or give each its share of a GPU.
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
        """All inspectors, in the order of their answers."""
        return (self.engine, *self.others)

    @property
    def resources(self) -> Resources:
        return together(self.engines)

    def check(self) -> None:
        for engine in self.engines:
            engine.check()

    def load(self) -> Scorer:
        running = [engine.load() for engine in self.engines]

        def ask(batch: Batch) -> Measurement:
            return self._ask(batch, running)

        return ask

    def _ask(self, batch: Batch, running: Sequence[Generate]) -> Measurement:
        uids, listed = batch.table["uid"].to_pylist(), batch.table["qa"].to_pylist()
        replies = [
            iter(generate(self._requests(uids, listed, engine)))
            for engine, generate in zip(self.engines, running, strict=True)
        ]
        answers, errors, seconds = [], [], []
        for questions in listed:
            calls = [[next(reply) for reply in replies] if _is_asked(one) else [] for one in questions or ()]
            flat = [call for several in calls for call in several]
            errors.append(next((call.error for call in flat if call.error), None))
            seconds.append(sum(call.latency_seconds for call in flat) if flat else None)
            known = questions is not None and errors[-1] is None
            answers.append([self._judged(*pair) for pair in zip(questions, calls, strict=True)] if known else None)
        return Measurement(
            {"qa_blind": answers, "qa_blind_models": [None if answer is None else self._names() for answer in answers]},
            errors,
            seconds,
        )

    def _requests(
        self, uids: Sequence[str], listed: Sequence[Sequence[Mapping[str, Any]] | None], engine: Engine
    ) -> Iterator[Request]:
        picture = None
        if engine.name in self.grey:
            picture = np.full((self.grey_px, self.grey_px, 3), GREY, np.uint8)
        for uid, questions in zip(uids, listed, strict=True):
            for number, row in enumerate(questions or ()):
                if _is_asked(row):
                    question = Question(row["kind"], row["question"], row["expected"], row["source"])
                    yield Request(
                        id=f"{uid}-blind-{number}",
                        prompt=self.prompt.fill(self.phrases.asked(question)),
                        image=picture,
                        max_tokens=self.max_tokens,
                        choices=("yes", "no") if row["kind"] == "yes_no" else (),
                    )

    def _judged(self, row: Mapping[str, Any], calls: Sequence[Completion]) -> dict[str, Any]:
        if not calls:
            return {"answers": None, "right": None, "hits": None}
        texts = [call.text.strip() for call in calls]
        right = [bool(holds(self.verifiers.of(row["kind"]), text, row["expected"])) for text in texts]
        return {"answers": texts, "right": right, "hits": sum(right)}

    def _names(self) -> list[str]:
        named: list[str] = []
        for engine in self.engines:
            name = f"{engine.name} (grey)" if engine.name in self.grey else engine.name
            same = sum(other.partition("#")[0] == name for other in named)
            named.append(f"{name}#{same + 1}" if same else name)
        return named


def together(engines: Sequence[Engine]) -> Resources:
    """Return what one worker needs to hold all the engines; equal ones are one."""
    each = [engine.resources for engine in dict.fromkeys(engines)]
    workers = [one.workers for one in each if one.workers is not None]
    limits = [one.timeout_seconds for one in each]
    names = sorted({name for one in each for name, _ in one.custom})
    return Resources(
        cpus=sum(one.cpus for one in each),
        gpus=sum(one.gpus for one in each),
        workers=min(workers) if workers else None,
        batch_rows=max(one.batch_rows for one in each),
        in_flight=max(one.in_flight for one in each),
        timeout_seconds=None if None in limits else sum(limit for limit in limits if limit is not None),
        custom=tuple((name, sum(dict(one.custom).get(name, 0.0) for one in each)) for name in names),
        shards=max(one.shards for one in each),
    )


def _is_asked(row: Mapping[str, Any]) -> bool:
    return row["verified"] is not None
