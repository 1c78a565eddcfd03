"""Questions and answers about an image: asked from evidence, answered by looking, verified against the evidence."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, ClassVar

import pyarrow as pa

from curate.captions.checking.lexicon import Lexicon, read_lexicon
from curate.captions.choices import Choices
from curate.captions.questioning.phrases import Question
from curate.captions.questioning.questions import Sight, Templates, balanced, see, without_repeats
from curate.captions.questioning.verifiers import Count, TextMatch, Verifier, Words, YesNo, holds
from curate.captions.questioning.written import WRITER_V1, Writer
from curate.engines.engine import Completion, Engine, Generate, Request
from curate.errors import PlanError
from curate.experts.dense_caption import fit_budget
from curate.stages import Batch, Measurement, Resources, Scorer
from schemas.question import QUESTIONS

__all__ = ["CaptionQA", "QaVerifiers"]

COLUMNS = {"objects": "objects", "ocr": "ocr_lines", "caption": "caption"}


@dataclass(frozen=True, slots=True)
class QaVerifiers:
    """The verifier of each kind of question, each with its own settings."""

    yes_no: Verifier = field(default_factory=YesNo)
    count: Verifier = field(default_factory=Count)
    text: Verifier = field(default_factory=TextMatch)
    short: Verifier = field(default_factory=Words)

    def of(self, kind: str) -> Verifier:
        """Return the verifier of a kind."""
        verifier: Verifier = getattr(self, kind)
        return verifier


@dataclass(frozen=True)
class CaptionQA:
    """Add questions with answers, each answer verified or marked as not; see `schemas.question`.

    `templates` asks from `sources` that measured something: presence (as many "no" as "yes"), number, text, largest
    object. Where "caption" is a source, `writer` has the model write more from the caption, without the image. Then
    the model answers every question from the image alone, and `verifiers` compare its answer with what evidence or
    the caption says; one that detections contradict is not verified. `lexicon` names the classes of the detector: a
    "no" is about one that it did not see and that neither caption nor alt text names.
    Source: caption-to-QA of LEOPARD (arXiv 2410.01744) and Video-STaR (2407.06189); asking from detections after POPE
    (Li et al. 2023, arXiv 2305.10355). Left out: questions about relations and colours from templates, absent
    classes that often come with the present ones (POPE's adversarial kind), a second model as judge.
    """

    engine: Engine
    templates: Templates = field(default_factory=Templates)
    writer: Writer | None = WRITER_V1
    verifiers: QaVerifiers = field(default_factory=QaVerifiers)
    lexicon: Lexicon = field(default_factory=partial(read_lexicon, "coco80"))
    sources: tuple[str, ...] = ("objects", "ocr", "caption")
    longest_side_px: int = 448
    max_tokens: int = 48
    seed: int = 0
    version: ClassVar[int] = 1
    adds: ClassVar[pa.Schema] = QUESTIONS

    def __post_init__(self) -> None:
        if not self.sources or not set(self.sources) <= set(COLUMNS):
            raise PlanError(f"CaptionQA: sources={self.sources}; give some of {', '.join(COLUMNS)}")
        if self.longest_side_px < 28 or self.max_tokens < 1:
            raise PlanError(
                f"CaptionQA: longest_side_px={self.longest_side_px} must be at least 28, "
                f"max_tokens={self.max_tokens} at least 1"
            )

    @property
    def needs(self) -> tuple[str, ...]:
        return (*(COLUMNS[source] for source in COLUMNS if source in self.sources), "alt_text")

    @property
    def pixels(self) -> int:
        return self.longest_side_px

    @property
    def resources(self) -> Resources:
        return self.engine.resources

    def check(self) -> None:
        self.engine.check()

    def load(self) -> Scorer:
        return partial(self._ask, generate=self.engine.load(), stage=repr(self))

    def _ask(self, batch: Batch, generate: Generate, stage: str) -> Measurement:
        rows = batch.table.select(["uid", *self.needs]).to_pylist()
        choices = [Choices(self.seed, stage, row["uid"]) for row in rows]
        written = self._write(rows, choices, generate)
        drafts = [self._draft(*draft) for draft in zip(rows, choices, written, strict=True)]
        answers = iter(generate(self._requests(batch, rows, drafts, choices)))
        replies = [[next(answers) for _ in draft.questions] for draft in drafts]
        made = [self._row(draft, mine) for draft, mine in zip(drafts, replies, strict=True)]
        calls = [
            [*([draft.written] if draft.written else []), *mine] for draft, mine in zip(drafts, replies, strict=True)
        ]
        columns: dict[str, list[Any]] = {name: [row.get(name) for row in made] for name in QUESTIONS.names}
        return Measurement(
            columns,
            [next((call.error for call in mine if call.error), None) for mine in calls],
            [sum(call.latency_seconds for call in mine) if mine else None for mine in calls],
        )

    def _write(
        self, rows: Sequence[Mapping[str, Any]], choices: Sequence[Choices], generate: Generate
    ) -> list[Completion | None]:
        """Return what the model wrote about each caption; None where there is no caption, or no writer."""
        writer = self.writer if "caption" in self.sources else None
        asked = [writer is not None and bool((row.get("caption") or "").strip()) for row in rows]

        def requests() -> Iterator[Request]:
            for row, choice, wanted in zip(rows, choices, asked, strict=True):
                if wanted and writer is not None:
                    yield Request(
                        id=f"{row['uid']}-write",
                        prompt=writer.prompt(row["caption"]),
                        system=writer.system,
                        max_tokens=writer.max_tokens,
                        temperature=writer.temperature,
                        seed=choice.seed("write"),
                        json_schema=writer.schema,
                    )

        replies = iter(generate(requests()) if any(asked) else ())
        return [next(replies) if wanted else None for wanted in asked]

    def _draft(self, row: Mapping[str, Any], choices: Choices, written: Completion | None) -> "_Draft":
        sight = see(row, self.templates, self.lexicon)
        texts = (row.get("caption"), row["alt_text"])
        named = {mention.label for text in texts if text for mention in self.lexicon.mentions(text)}
        questions = self.templates.draw(sight, self.lexicon, named, choices)
        more = self.writer.read(written.text, self.lexicon) if self.writer and written and not written.error else None
        questions = balanced(without_repeats([*questions, *(more or ())]))
        return _Draft(sight, questions, written, None if more is None else len(more))

    def _requests(
        self,
        batch: Batch,
        rows: Sequence[Mapping[str, Any]],
        drafts: Sequence["_Draft"],
        choices: Sequence[Choices],
    ) -> Iterator[Request]:
        """Yield one request per question, as the engine takes them; an image is resized once."""
        for row, image, draft, choice in zip(rows, batch.images, drafts, choices, strict=True):
            picture = fit_budget(image, self.longest_side_px) if draft.questions else None
            for number, question in enumerate(draft.questions):
                yield Request(
                    id=f"{row['uid']}-{number}",
                    prompt=self.templates.phrases.asked(question),
                    image=picture,
                    max_tokens=self.max_tokens,
                    seed=choice.seed(f"answer {number}"),
                    choices=("yes", "no") if question.kind == "yes_no" else (),
                )

    def _row(self, draft: "_Draft", answers: Sequence[Completion]) -> dict[str, Any]:
        calls = [*answers, *([draft.written] if draft.written else [])]
        if any(call.error for call in calls):
            return {}
        ids = [self.templates.phrases.id, *([self.writer.id] if self.writer and draft.written else [])]
        return {
            "qa": [self._answered(*pair, draft.sight) for pair in zip(draft.questions, answers, strict=True)],
            "qa_model": self.engine.name,
            "qa_prompt_ids": ids,
            "qa_written": draft.usable,
            "qa_prompt_tokens": sum(call.prompt_tokens for call in calls),
            "qa_completion_tokens": sum(call.completion_tokens for call in calls),
        }

    def _answered(self, question: Question, answer: Completion, sight: Sight) -> dict[str, Any]:
        verifier, text = self.verifiers.of(question.kind), answer.text.strip()
        verified = holds(verifier, text, question.expected)
        if verified and (answer.finish_reason == "length" or sight.says(question) is False):
            verified = False
        return {
            "kind": question.kind,
            "question": question.text,
            "answer": text,
            "expected": question.expected,
            "source": question.source,
            "subject": question.subject,
            "verifier": verifier.name,
            "verified": verified,
            "confidence": answer.confidence,
        }


@dataclass(frozen=True, slots=True)
class _Draft:
    sight: Sight
    questions: list[Question]
    written: Completion | None
    usable: int | None
