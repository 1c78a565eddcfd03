"""Ask the model about each object of a caption, on the whole image and on a closer look."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import ClassVar, Literal, TypeAlias

import pyarrow as pa

from curate.captions.boxes import Box, widen
from curate.captions.checking.evidence import Evidence
from curate.captions.checking.second_look import both_scales, outcome, read_answer, with_article
from curate.captions.choices import Choices
from curate.captions.prompting.prompts import BUNDLED, Prompt
from curate.captions.viewing.pixel_budget import fit_budget, same_detail
from curate.captions.viewing.zoom import close_up, quarters
from curate.engines.asking import Conversation, Row, scorer
from curate.engines.engine import Engine, Request
from curate.errors import PlanError
from curate.stages import Pixels, Resources, Scorer
from schemas.prefix import check_prefix, prefixed, repr_without_defaults
from schemas.verify_objects import VERIFY_OBJECTS

__all__ = ["VerifyObjects"]

WHOLE = [0.0, 0.0, 1.0, 1.0]
Question: TypeAlias = tuple[str, list[list[float]]]
"""A class, and the parts of the image on which it is asked about, the whole first."""

ENLARGED = 4.0  # a crop is scaled up at most so far: more pixels of the same detail cost tokens and show nothing


@dataclass(frozen=True)
class VerifyObjects:
    """Add a model's yes or no to each class that a caption names, at two scales; see `schemas.verify_objects`.

    Each is asked about on the full image, and on the detector's best box widened by `widen_by`; where there is none,
    on four overlapping quarters, of which the surest yes of at least `min_tile_confidence` counts. A thing found at one
    scale only is disputed. Those that the experts did not see come first, at most `max_objects`. `which` may
    spare the others ("unsupported"), and may add nouns that no lexicon holds, contradicted ones first ("doubtful").
    `prompt` holds {object}. `prefix` is put before the names of the columns, where several texts are verified.

    The full image is shown with the detail that the caption was written from: the column `detail` has its longest side
    (null, or no column: `longest_side_px`), at most `decode_side_px`. Parts are shown at their own pixels, at least at
    `zoom_side_px` and at most at half of `decode_side_px`.
    Source: cross-scale agreement DC2 (Wang et al. 2024, arXiv 2408.15556), zooming and the 0.6 ZoomEye (Shen et al.
    2024, arXiv 2411.16044), the question POPE (Li et al. 2023, arXiv 2305.10355). Left out: deeper trees.
    """

    engine: Engine
    prompt: Prompt = BUNDLED["verify-v1"]
    evidence: Evidence = field(default_factory=Evidence)
    column: str = "caption"
    which: Literal["all", "unsupported", "doubtful"] = "all"
    max_objects: int = 8
    widen_by: float = 2.0
    min_crop: float = 0.25
    tile_overlap: float = 0.1
    min_tile_confidence: float = 0.6
    longest_side_px: int = 448
    zoom_side_px: int = 448
    decode_side_px: int = 2016
    detail: str | None = "caption_tier_px"
    seed: int = 0
    prefix: str = ""
    version: ClassVar[int] = 2

    def __post_init__(self) -> None:
        check_prefix(self.prefix)
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

    def __repr__(self) -> str:
        return repr_without_defaults(self, "prefix")

    @property
    def adds(self) -> pa.Schema:
        return prefixed(VERIFY_OBJECTS, self.prefix)

    @property
    def needs(self) -> tuple[str, ...]:
        detail = (self.detail,) if self.detail else ()
        return (self.column, "objects", *self.evidence.columns.needs, *detail)

    @property
    def pixels(self) -> int:
        return self.decode_side_px

    @property
    def resources(self) -> Resources:
        return self.engine.resources

    def check(self) -> None:
        self.engine.check()

    def load(self) -> Scorer:
        self.engine.start()
        return scorer(self.adds, self.engine, partial(self._verify, stage=repr(self)))

    def _verify(self, row: Row, image: Pixels, stage: str) -> Conversation:
        if row[self.column] is None:
            return None
        plan, unasked = self._plan(row)
        completions = yield self._requests(row, image, plan, stage)
        answers = iter([read_answer(completion.text, completion.confidence) for completion in completions])
        entries = [
            both_scales(label, parts, [next(answers) for _ in parts], self.min_tile_confidence) for label, parts in plan
        ]
        columns = outcome(entries) | {
            "objects_unasked": unasked,
            "verify_prompt_tokens": sum(completion.prompt_tokens for completion in completions),
            "verify_completion_tokens": sum(completion.completion_tokens for completion in completions),
        }
        return {self.prefix + name: value for name, value in columns.items()}

    def _plan(self, row: Row) -> tuple[list[Question], int]:
        """Return the classes to ask about with the parts of the image to ask on, and how many are left out."""
        evidence = self.evidence
        witnesses = evidence.witnesses(row["objects"] or [], evidence.columns.read(row))
        verdicts = {label: witnesses.verdict(label) for label in evidence.named(row[self.column])}
        asked = [label for label in verdicts if self.which == "doubtful" or evidence.lexicon.label_of(label)]
        labels = [label for label in asked if verdicts[label] != "supported"]
        if self.which == "doubtful":
            labels.sort(key=lambda label: verdicts[label] == "unjudged")
        if self.which == "all":
            labels += [label for label in asked if verdicts[label] == "supported"]
        plan: list[Question] = []
        for label in labels[: self.max_objects]:
            boxes = witnesses.boxes(label)
            close = [widen(boxes[0], self.widen_by, self.min_crop)] if boxes else quarters(self.tile_overlap)
            plan.append((label, [WHOLE, *close]))
        return plan, len(labels) - len(plan)

    def _requests(self, row: Row, image: Pixels, plan: Sequence[Question], stage: str) -> Iterator[Request]:
        """Yield a request per class and part; parts are cut out one by one, as the engine takes them."""
        side = same_detail(row.get(self.detail or ""), self.longest_side_px, self.decode_side_px)
        whole = fit_budget(image, side, self.engine.facts.images) if plan else image
        choices = Choices(self.seed, stage, row["uid"])
        for label, parts in plan:
            for number, part in enumerate(parts):
                yield Request(
                    id=f"{row['uid']}-{label.replace(' ', '_')}-{number}",
                    prompt=self.prompt.text.replace("{object}", with_article(label)),
                    image=self._close_up(image, part) if number else whole,
                    system=self.prompt.system,
                    max_tokens=4,
                    seed=choices.seed(f"{label} {number}"),
                    choices=("yes", "no"),
                )

    def _close_up(self, image: Pixels, part: Box) -> Pixels:
        most = max(self.zoom_side_px, self.decode_side_px // 2)
        near = close_up(image, part, (self.zoom_side_px, most), ENLARGED)
        return fit_budget(near, most, self.engine.facts.images)
