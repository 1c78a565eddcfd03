"""Ask the model about each object of a caption, on the whole image and on a closer look."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, ClassVar, Literal

import pyarrow as pa

from curate.captions.checking.evidence import Evidence
from curate.captions.choices import Choices
from curate.captions.prompting.prompts import BUNDLED, Prompt
from curate.captions.viewing.zoom import crop, tiles, widen
from curate.engines.engine import Completion, Engine, Generate, Request
from curate.errors import PlanError
from curate.experts.dense_caption import fit_budget
from curate.stages import Batch, Measurement, Pixels, Resources, Scorer
from schemas.verify_objects import VERIFY_OBJECTS

__all__ = ["VerifyObjects", "with_article"]

WHOLE = [0.0, 0.0, 1.0, 1.0]
ENLARGED = 4.0  # a crop is scaled up at most so far: more pixels of the same detail cost tokens and show nothing


@dataclass(frozen=True)
class VerifyObjects:
    """Add a model's yes or no to each class that a caption names, at two scales; see `schemas.verify_objects`.

    Each is asked about on the full image, and on the detector's best box widened by `widen_by`; where there is none,
    on four overlapping quarters, of which the surest yes of at least `min_tile_confidence` counts. A thing seen at one
    scale only is disputed. `which` may spare the classes that the detector saw; those it did not see come first, at
    most `max_objects`. `prompt` holds {object}.
    Source: cross-scale agreement DC2 (Wang et al. 2024, arXiv 2408.15556), zooming and the 0.6 ZoomEye (Shen et al.
    2024, arXiv 2411.16044), the question POPE (Li et al. 2023, arXiv 2305.10355). Left out: deeper trees.
    """

    engine: Engine
    prompt: Prompt = BUNDLED["verify-v1"]
    evidence: Evidence = field(default_factory=Evidence)
    column: str = "caption"
    which: Literal["all", "unsupported"] = "all"
    max_objects: int = 8
    widen_by: float = 2.0
    min_crop: float = 0.25
    tile_overlap: float = 0.1
    min_tile_confidence: float = 0.6
    longest_side_px: int = 448
    zoom_side_px: int = 448
    decode_side_px: int = 1008
    seed: int = 0
    version: ClassVar[int] = 1
    adds: ClassVar[pa.Schema] = VERIFY_OBJECTS

    def __post_init__(self) -> None:
        if "{object}" not in self.prompt.text:
            raise PlanError(f"VerifyObjects: prompt {self.prompt.id!r} does not hold {{object}}")
        for name, low, high in (
            ("max_objects", 1, 100),
            ("widen_by", 1, 10),
            ("min_crop", 0, 1),
            ("tile_overlap", 0, 0.5),
            ("min_tile_confidence", 0, 1),
        ):
            if not low <= getattr(self, name) <= high:
                raise PlanError(f"VerifyObjects: {name}={getattr(self, name)}; give {low} to {high}")

    @property
    def needs(self) -> tuple[str, ...]:
        return (self.column, "objects")

    @property
    def pixels(self) -> int:
        return self.decode_side_px

    @property
    def resources(self) -> Resources:
        return self.engine.resources

    def check(self) -> None:
        self.engine.check()

    def load(self) -> Scorer:
        return partial(self._verify, generate=self.engine.load(), stage=repr(self))

    def _verify(self, batch: Batch, generate: Generate, stage: str) -> Measurement:
        rows = batch.table.select(["uid", *self.needs]).to_pylist()
        plans = [self._plan(row) for row in rows]
        answers = iter(generate(self._requests(rows, plans, batch.images, stage)))
        measured, errors, seconds = [], [], []
        for row, plan in zip(rows, plans, strict=True):
            given = [[next(answers) for _ in looks] for _, looks in plan.asked]
            every = [answer for group in given for answer in group]
            errors.append(next((answer.error for answer in every if answer.error), None))
            seconds.append(sum(answer.latency_seconds for answer in every) if every else None)
            bad = row[self.column] is None or errors[-1]
            measured.append({} if bad else self._row(plan, given))
        columns: dict[str, list[Any]] = {name: [row.get(name) for row in measured] for name in VERIFY_OBJECTS.names}
        return Measurement(columns, errors, seconds)

    def _plan(self, row: dict[str, Any]) -> "_Plan":
        """Return the classes to ask about and the parts of the image to ask on, the whole first."""
        mentions = self.evidence.lexicon.mentions(row[self.column] or "")
        named = dict.fromkeys(mention.label for mention in mentions if mention.count != 0)
        seen = self.evidence.boxes(row["objects"] or [], self.evidence.min_object_score)
        wanted = [label for label in named if label not in seen]
        if self.which == "all":
            wanted += [label for label in named if label in seen]
        asked = []
        for label in wanted[: self.max_objects]:
            boxes = seen.get(label)
            close = [widen(boxes[0], self.widen_by, self.min_crop)] if boxes else tiles(self.tile_overlap)
            asked.append((label, [WHOLE, *close]))
        return _Plan(asked, len(wanted) - len(asked))

    def _requests(
        self, rows: Sequence[dict[str, Any]], plans: Sequence["_Plan"], images: Sequence[Pixels], stage: str
    ) -> Iterator[Request]:
        for row, plan, image in zip(rows, plans, images, strict=True):
            whole = fit_budget(image, self.longest_side_px) if plan.asked else image
            choices = Choices(self.seed, stage, row["uid"])
            for label, looks in plan.asked:
                text = self.prompt.text.replace("{object}", with_article(label))
                for number, look in enumerate(looks):
                    part = crop(image, look, self.zoom_side_px, ENLARGED) if number else whole
                    yield Request(
                        id=f"{row['uid']}-{label.replace(' ', '_')}-{number}",
                        prompt=text,
                        image=fit_budget(part, self.zoom_side_px) if number else whole,
                        system=self.prompt.system,
                        max_tokens=4,
                        seed=choices.seed(f"{label} {number}"),
                        choices=("yes", "no"),
                    )

    def _row(self, plan: "_Plan", given: Sequence[Sequence[Completion]]) -> dict[str, Any]:
        answers = [self._answer(*pair, group) for pair, group in zip(plan.asked, given, strict=True)]
        every = [answer for group in given for answer in group]

        def labels(*verdicts: tuple[bool, bool]) -> list[str]:
            return [one["label"] for one in answers if (bool(one["full_yes"]), bool(one["zoom_yes"])) in verdicts]

        unclear = [one["label"] for one in answers if None in (one["full_yes"], one["zoom_yes"])]
        return {
            "verified_objects": answers,
            "objects_confirmed": labels((True, True)),
            "objects_denied": [label for label in labels((False, False)) if label not in unclear],
            "objects_disputed": sorted({*labels((True, False), (False, True)), *unclear}),
            "objects_unasked": plan.unasked,
            "verify_prompt_tokens": sum(answer.prompt_tokens for answer in every),
            "verify_completion_tokens": sum(answer.completion_tokens for answer in every),
        }

    def _answer(self, label: str, looks: Sequence[list[float]], group: Sequence[Completion]) -> dict[str, Any]:
        full, close = group[0], list(zip(group[1:], looks[1:], strict=True))
        best, where = max(close, key=lambda pair: _sureness(pair[0]))
        zoom_yes, sure = _yes(best), best.confidence
        if len(close) > 1 and zoom_yes and sure is not None and sure < self.min_tile_confidence:
            zoom_yes, sure = False, None
        return {
            "label": label,
            "full_yes": _yes(full),
            "full_confidence": full.confidence,
            "zoom_yes": zoom_yes,
            "zoom_confidence": sure,
            "agree": None if None in (_yes(full), zoom_yes) else _yes(full) == zoom_yes,
            "zoom_box": list(where),
        }


@dataclass(frozen=True, slots=True)
class _Plan:
    """The classes that are asked about with the parts of the image, and how many are not."""

    asked: list[tuple[str, list[list[float]]]]
    unasked: int


def with_article(label: str) -> str:
    """Return a class as a question names one of it.

    >>> [with_article(label) for label in ("dog", "apple", "scissors", "bus", "wine glass")]
    ['a dog', 'an apple', 'a pair of scissors', 'a bus', 'a wine glass']
    """
    if label.endswith("s") and not label.endswith(("ss", "us")):
        return f"a pair of {label}"
    return f"{'an' if label[0] in 'aeio' or label.startswith('umb') else 'a'} {label}"


def _yes(answer: Completion) -> bool | None:
    return {"yes": True, "no": False}.get(answer.text.strip().strip(".").casefold())


def _sureness(answer: Completion) -> float:
    """Return how much an answer speaks for yes, in [-1, 1]; 0 for one that is neither yes nor no."""
    sure = 0.5 if answer.confidence is None else answer.confidence
    return {True: sure, False: -sure, None: 0.0}[_yes(answer)]
