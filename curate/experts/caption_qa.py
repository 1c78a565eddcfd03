"""Questions and answers about an image: asked from evidence, answered by looking, verified against the evidence."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, ClassVar

import pyarrow as pa

from curate.captions.checking.lexicon import Lexicon, read_lexicon
from curate.captions.choices import Choices
from curate.captions.questioning.phrases import Question
from curate.captions.questioning.questions import Detections, Templates, balanced, detections, without_repeats
from curate.captions.questioning.verifiers import QaVerifiers, holds
from curate.captions.questioning.written import WRITER_V1, Writer
from curate.captions.viewing.pixel_budget import fit_budget
from curate.engines.asking import Conversation, Row, scorer
from curate.engines.engine import Completion, Engine, Request
from curate.errors import PlanError
from curate.stages import Pixels, Resources, Scorer
from schemas.question import QUESTIONS

__all__ = ["CaptionQA"]

COLUMNS = {"objects": "objects", "ocr": "ocr_lines", "caption": "caption"}


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
        self.engine.start()
        return scorer(self.adds, self.engine, partial(self._ask, stage=repr(self)))

    def _ask(self, row: Row, image: Pixels, stage: str) -> Conversation:
        """Have questions written from the caption, then ask them and those of the templates about the image."""
        choices = Choices(self.seed, stage, row["uid"])
        written = yield self._writing_requests(row, choices)
        measured = detections(row, self.templates, self.lexicon)
        more = self.writer.read(written[0].text, self.lexicon) if self.writer and written else None
        questions = balanced(without_repeats([*self._drawn(row, measured, choices), *(more or ())]))
        answers = yield self._requests(row, image, questions, choices)
        ids = [self.templates.phrases.id, *([self.writer.id] if self.writer and written else [])]
        pairs = zip(questions, answers, strict=True)
        return {
            "qa": [self._answered(question, answer, measured) for question, answer in pairs],
            "qa_model": self.engine.name,
            "qa_prompt_ids": ids,
            "qa_written": None if more is None else len(more),
            "qa_prompt_tokens": sum(answer.prompt_tokens for answer in [*answers, *written]),
            "qa_completion_tokens": sum(answer.completion_tokens for answer in [*answers, *written]),
        }

    def _writing_requests(self, row: Row, choices: Choices) -> list[Request]:
        """Return the request to write questions; none where there is no caption, or no writer."""
        if self.writer is None or "caption" not in self.sources or not (row.get("caption") or "").strip():
            return []
        request = Request(
            id=f"{row['uid']}-write",
            prompt=self.writer.prompt(row["caption"]),
            system=self.writer.system,
            max_tokens=self.writer.max_tokens,
            temperature=self.writer.temperature,
            seed=choices.seed("write"),
            json_schema=self.writer.schema,
        )
        return [request]

    def _drawn(self, row: Row, measured: Detections, choices: Choices) -> list[Question]:
        texts = (row.get("caption"), row["alt_text"])
        named = {mention.label for text in texts if text for mention in self.lexicon.mentions(text)}
        return self.templates.draw(measured, self.lexicon, named, choices)

    def _requests(self, row: Row, image: Pixels, questions: Sequence[Question], choices: Choices) -> Iterator[Request]:
        """Yield one request per question; the image is resized once, when the first is taken."""
        shown = fit_budget(image, self.longest_side_px, self.engine.facts.images) if questions else None
        for number, question in enumerate(questions):
            yield Request(
                id=f"{row['uid']}-{number}",
                prompt=self.templates.phrases.asked(question),
                image=shown,
                max_tokens=self.max_tokens,
                seed=choices.seed(f"answer {number}"),
                choices=("yes", "no") if question.kind == "yes_no" else (),
            )

    def _answered(self, question: Question, answer: Completion, measured: Detections) -> dict[str, Any]:
        verifier, text = self.verifiers.of(question.kind), answer.text.strip()
        verified = holds(verifier, text, question.expected)
        if verified and (answer.finish_reason == "length" or measured.agree(question) is False):
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
