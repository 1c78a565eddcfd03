"""Video-STaR on images: answers with reasons, kept where a label that was there before says that they are right."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, ClassVar

import pyarrow as pa

from curate.captions.choices import Choices
from curate.captions.questioning.labelled import LABELLED_V1, LabelPrompt, Reply, leans_on_label, read_field
from curate.captions.questioning.verifiers import Verifier, Words, holds, repeats
from curate.engines.engine import Completion, Engine, Generate, Request
from curate.errors import PlanError
from curate.experts.dense_caption import fit_budget
from curate.stages import Batch, Measurement, Pixels, Resources, Scorer
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
        return partial(self._answer, generate=self.engine.load(), stage=repr(self))

    def _answer(self, batch: Batch, generate: Generate, stage: str) -> Measurement:
        rows = batch.table.select(["uid", *self.needs]).to_pylist()
        tasks = [self._task(row, Choices(self.seed, stage, row["uid"])) for row in rows]
        known = [(i, task) for i, task in enumerate(tasks) if task is not None]
        first = generate(self._requests(known, batch.images, told=False)) if known else []
        tries = {i: [self._try(task, one, told=False)] for (i, task), one in zip(known, first, strict=True)}
        again = [(i, task) for i, task in known if tries[i][0].holds is False and tries[i][0].call.error is None]
        second = generate(self._requests(again, batch.images, told=True)) if again else []
        for (i, task), one in zip(again, second, strict=True):
            tries[i].append(self._try(task, one, told=True))
        made = [self._row(task, tries[i]) if task else {} for i, task in enumerate(tasks)]
        calls = [[one.call for one in tries.get(i, ())] for i in range(len(rows))]
        columns: dict[str, list[Any]] = {name: [row.get(name) for row in made] for name in LABEL_VERIFIED.names}
        return Measurement(
            columns,
            [next((call.error for call in mine if call.error), None) for mine in calls],
            [sum(call.latency_seconds for call in mine) if mine else None for mine in calls],
        )

    def _task(self, row: Mapping[str, Any], choices: Choices) -> "_Task | None":
        label = read_field(row, self.label)
        if self.question is not None:
            question = read_field(row, self.question)
        else:
            question = self.questions[choices.index("question", len(self.questions))]
        return _Task(row["uid"], question, label, choices) if label and question else None

    def _requests(
        self, tasks: Sequence[tuple[int, "_Task"]], images: Sequence[Pixels], told: bool
    ) -> Iterator[Request]:
        for i, task in tasks:
            name = "told" if told else "direct"
            yield Request(
                id=f"{task.uid}-{name}",
                prompt=self.prompt.tell(task.question, task.label) if told else self.prompt.ask(task.question),
                image=fit_budget(images[i], self.longest_side_px),
                max_tokens=self.max_tokens,
                temperature=self.temperature,
                seed=task.choices.seed(name),
                json_schema=self.prompt.schema,
            )

    def _try(self, task: "_Task", call: Completion, told: bool) -> "_Try":
        reply = None if call.error or call.finish_reason == "length" else self.prompt.read(call.text)
        verdict = holds(self.verifier, reply.answer if reply else "", task.label)
        if reply and verdict and (repeats(reply.rationale or "") or (told and leans_on_label(reply))):
            verdict = False
        return _Try(call, reply, verdict)

    def _row(self, task: "_Task", tries: Sequence["_Try"]) -> dict[str, Any]:
        if any(one.call.error for one in tries):
            return {}
        last, outcome = tries[-1], "failed"
        if last.holds:
            outcome = "direct" if len(tries) == 1 else "rationalised"
        return {
            "labelled_question": task.question,
            "labelled_answer": last.reply.answer if last.reply else last.call.text.strip(),
            "labelled_rationale": last.reply.rationale if last.reply else None,
            "labelled_outcome": None if last.holds is None else outcome,
            "labelled_label": task.label,
            "labelled_first_answer": tries[0].said if len(tries) > 1 else None,
            "labelled_model": self.engine.name,
            "labelled_prompt_tokens": sum(one.call.prompt_tokens for one in tries),
            "labelled_completion_tokens": sum(one.call.completion_tokens for one in tries),
        }


@dataclass(frozen=True, slots=True)
class _Task:
    uid: str
    question: str
    label: str
    choices: Choices


@dataclass(frozen=True, slots=True)
class _Try:
    call: Completion
    reply: Reply | None
    holds: bool | None

    @property
    def said(self) -> str:
        return self.reply.answer if self.reply else self.call.text.strip()
