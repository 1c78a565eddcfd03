"""Choose the questions for the training set: verified, in need of the image, balanced."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import pyarrow as pa

from curate.captions.questioning.blind import allowed_hits, guessers
from curate.captions.questioning.phrases import Question
from curate.captions.questioning.questions import balanced
from curate.errors import PlanError
from curate.stages import Batch, Measurement, Resources, Scorer
from schemas.question import KEPT_QUESTION, KEPT_QUESTIONS

__all__ = ["SelectQuestions"]


@dataclass(frozen=True)
class SelectQuestions:
    """Add the questions of `qa` that are fit for training as `qa_kept`; see `schemas.question`.

    Kept is what is verified and what at most `max_blind_share` of the blind models answered without the image, and of
    the yes/no questions as many with "yes" as with "no", for which the last ones of the surplus go (`balance`). Filters
    decide on samples, questions are parts of one: so this is an expert without a model, and `MinQuestions` drops
    samples that have none left. `max_blind_share` None: no gate, and no `qa_blind` is needed.
    Source: MMStar (Chen et al. 2024, arXiv 2403.20330) keeps what 2 of 8 blind models solve or fewer: 0.25, which is
    also what guessing one of its four choices gives. Ours: a yes or no is guessed half of the time, hence 0.5; and a
    blind model that says the same to all yes/no questions of an image is not counted for them (`skip_guessers`), or
    one that always says "no" would take every "no" out of the set.
    """

    max_blind_share: float | None = 0.25
    max_blind_share_yes_no: float = 0.5
    skip_guessers: bool = True
    balance: bool = True
    version: ClassVar[int] = 1
    adds: ClassVar[pa.Schema] = KEPT_QUESTIONS
    pixels: ClassVar[None] = None
    resources: Resources = field(default=Resources(batch_rows=512), repr=False, compare=False)

    def __post_init__(self) -> None:
        for name in ("max_blind_share", "max_blind_share_yes_no"):
            value = getattr(self, name)
            if value is not None and not 0 <= value <= 1:
                raise PlanError(f"SelectQuestions: {name} is {value}; it must be between 0 and 1")

    @property
    def needs(self) -> tuple[str, ...]:
        return ("qa",) if self.max_blind_share is None else ("qa", "qa_blind")

    def check(self) -> None:
        """Nothing can be missing."""

    def load(self) -> Scorer:
        return self._select

    def _select(self, batch: Batch) -> Measurement:
        questions = batch.table["qa"].to_pylist()
        blind = [[]] * len(questions) if self.max_blind_share is None else batch.table["qa_blind"].to_pylist()
        pairs = [self._kept(*pair) for pair in zip(questions, blind, strict=True)]
        return Measurement({"qa_kept": [kept for kept, _ in pairs], "qa_gated": [gated for _, gated in pairs]})

    def _kept(
        self, questions: Sequence[Mapping[str, Any]] | None, blind: Sequence[Mapping[str, Any]] | None
    ) -> tuple[list[dict[str, Any]] | None, int | None]:
        if questions is None or blind is None:
            return None, None
        good = [i for i, row in enumerate(questions) if row["verified"]]
        skipped = guessers(questions, blind) if blind and self.skip_guessers else frozenset()
        gated = [i for i in good if blind and not self._needs_image(questions[i], blind[i], skipped)]
        left = [i for i in good if i not in gated]
        if self.balance:
            drawn = [Question(questions[i]["kind"], str(i), questions[i]["expected"], "") for i in left]
            left = [int(question.text) for question in balanced(drawn)]
        kept = [{field.name: questions[i][field.name] for field in KEPT_QUESTION} for i in left]
        return kept, None if self.max_blind_share is None else len(gated)

    def _needs_image(self, row: Mapping[str, Any], blind: Mapping[str, Any], skipped: frozenset[int]) -> bool:
        is_yes_no = row["kind"] == "yes_no"
        share = self.max_blind_share_yes_no if is_yes_no else self.max_blind_share
        right = [hit for i, hit in enumerate(blind["right"] or ()) if not (is_yes_no and i in skipped)]
        return bool(sum(right) <= allowed_hits(len(right), share or 0.0))
