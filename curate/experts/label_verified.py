"""Video-STaR on images: answers with reasons, kept where a label that was there before says that they are right."""

from dataclasses import dataclass, field
from functools import partial
from typing import ClassVar

import pyarrow as pa

from curate.captions.choices import Choices
from curate.captions.questioning.labelled import LABELLED_V1, Attempt, LabelPrompt, read_attempt, read_field
from curate.captions.questioning.verifiers import Verifier, Words
from curate.captions.viewing.pixel_budget import fit_budget
from curate.engines.asking import Conversation, Row, scorer
from curate.engines.engine import Completion, Engine, Request
from curate.errors import PlanError
from curate.stages import Pixels, Resources, Scorer
from schemas.label_verified import LABEL_VERIFIED

__all__ = ["LabelVerified"]


@dataclass(frozen=True)
class LabelVerified:
    """Add an answer to a question whose answer is known, verified against that label; see `schemas.label_verified`.

    `label` names a column or a field in one ("alt_text", "metadata.answer"), and `question` one that holds the
    question; None: one of `questions`, by hash. The model answers with a reason; if `verifier` does not hold, it is
    told the label, asked to find the reasons, and verified again. A reason that says it was told does not pass. A
    sample without a label or a question has null everywhere and no error.
    Source: Video-STaR (Zohar et al. 2024, arXiv 2407.06189), temperature and length included; `LabelOutcome` keeps
    direct answers only, as its final model does. Left out: video, training in cycles, questions that a language model
    writes from task and labels (give them as a column).
    """

    engine: Engine
    label: str = "metadata.label"
    question: str | None = None
    questions: tuple[str, ...] = ("What is shown in this picture?", "What is the main subject of this picture?")
    verifier: Verifier = field(default_factory=Words)
    prompt: LabelPrompt = LABELLED_V1
    longest_side_px: int = 448
    max_tokens: int = 1024
    temperature: float = 0.2
    seed: int = 0
    version: ClassVar[int] = 1
    adds: ClassVar[pa.Schema] = LABEL_VERIFIED

    def __post_init__(self) -> None:
        if self.question is None and not self.questions:
            raise PlanError("LabelVerified: give the column of the question, or questions")
        if self.longest_side_px < 28 or self.max_tokens < 1 or self.temperature < 0:
            raise PlanError(
                f"LabelVerified: longest_side_px={self.longest_side_px} must be at least 28, "
                f"max_tokens={self.max_tokens} at least 1, temperature={self.temperature} at least 0"
            )

    @property
    def needs(self) -> tuple[str, ...]:
        paths = [self.label, *([self.question] if self.question else [])]
        return tuple(dict.fromkeys(path.partition(".")[0] for path in paths))

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
        return scorer(self.adds, self.engine, partial(self._answer, stage=repr(self)))

    def _answer(self, row: Row, image: Pixels, stage: str) -> Conversation:
        """Ask the question; where the answer is not the label, ask again with the label."""
        choices = Choices(self.seed, stage, row["uid"])
        label, question = read_field(row, self.label), self._question(row, choices)
        if not label or not question:
            return None
        (answer,) = yield [self._request(row, image, "direct", self.prompt.ask(question), choices)]
        answers, attempts = [answer], [self._attempt(answer, label, has_label=False)]
        if attempts[0].holds is False:
            (answer,) = yield [self._request(row, image, "told", self.prompt.tell(question, label), choices)]
            answers, attempts = [*answers, answer], [*attempts, self._attempt(answer, label, has_label=True)]
        first, last = attempts[0], attempts[-1]
        outcome = ("direct" if last is first else "rationalised") if last.holds else "failed"
        return {
            "labelled_question": question,
            "labelled_answer": last.answer,
            "labelled_rationale": last.rationale,
            "labelled_outcome": None if last.holds is None else outcome,
            "labelled_label": label,
            "labelled_first_answer": None if last is first else first.answer,
            "labelled_model": self.engine.name,
            "labelled_prompt_tokens": sum(answer.prompt_tokens for answer in answers),
            "labelled_completion_tokens": sum(answer.completion_tokens for answer in answers),
        }

    def _question(self, row: Row, choices: Choices) -> str | None:
        if self.question is not None:
            return read_field(row, self.question)
        return self.questions[choices.index("question", len(self.questions))]

    def _request(self, row: Row, image: Pixels, name: str, prompt: str, choices: Choices) -> Request:
        return Request(
            id=f"{row['uid']}-{name}",
            prompt=prompt,
            image=fit_budget(image, self.longest_side_px, self.engine.facts.images),
            max_tokens=self.max_tokens,
            temperature=self.temperature,
            seed=choices.seed(name),
            json_schema=self.prompt.schema,
        )

    def _attempt(self, answer: Completion, label: str, *, has_label: bool) -> Attempt:
        reply = None if answer.finish_reason == "length" else self.prompt.read(answer.text)
        return read_attempt(reply, answer.text, self.verifier, label, has_label=has_label)
