"""Ask a vision-language model for the attributes of the main person."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa

from curate.captions.prompting.attributes import ATTRIBUTES, PARTS, Attribute
from curate.captions.viewing.pixel_budget import PATCH_PX, fit_budget
from curate.engines.engine import Completion, Engine, Generate, Request
from curate.errors import PlanError
from curate.stages import Batch, Measurement, Pixels, Resources, Scorer
from schemas.human import HUMAN_ATTRIBUTES

__all__ = ["HumanAttributes", "crop"]


@dataclass(frozen=True)
class HumanAttributes:
    """Add the answers to yes/no questions about face, body and background of the main person.

    Each part is shown alone: the face with `margin` of its size around it, the person of `body_box`, the whole
    image. The answer is forced to one of `answers` (yes first), and its probability is the model's, out of its whole
    vocabulary: one that would rather say something else is not sure. `question` is written around each question.
    A sample without a face has null, and is asked nothing; put `MinFace` before it: this is a request per question.
    Source: FaceCaption-15M / HumanCaption (HumanVLM, arXiv 2411.03034), which takes forty facial attributes from a
    classifier and keeps labels over 0.85. Left out: that classifier; probabilities of a model are not calibrated to it,
    so measure what 0.85 is worth for yours. The body and background experts of the paper are undisclosed: ours.
    """

    engine: Engine
    attributes: tuple[Attribute, ...] = ATTRIBUTES
    question: str = "{question} Answer yes or no."
    answers: tuple[str, str] = ("yes", "no")
    system: str | None = None
    margin: float = 0.3
    longest_side_px: int = 336
    version: ClassVar[int] = 1
    needs: ClassVar[tuple[str, ...]] = ("face_box", "body_box")
    adds: ClassVar[pa.Schema] = HUMAN_ATTRIBUTES
    pixels: ClassVar[int] = 0  # a face is a small part: it is cut out of the original

    def __post_init__(self) -> None:
        names = [(attribute.part, attribute.name) for attribute in self.attributes]
        if not names or len(set(names)) < len(names):
            raise PlanError("HumanAttributes: give at least one attribute, and each name once a part")
        if "{question}" not in self.question or len(set(self.answers)) < 2 or not all(self.answers):
            raise PlanError(
                f"HumanAttributes: question={self.question!r} must hold {{question}}, and answers={self.answers} "
                "must be two different words"
            )
        if self.longest_side_px < PATCH_PX or self.margin < 0:
            raise PlanError(
                f"HumanAttributes: longest_side_px={self.longest_side_px} must be at least {PATCH_PX}, "
                f"margin={self.margin} at least 0"
            )

    @property
    def resources(self) -> Resources:
        return self.engine.resources

    def check(self) -> None:
        self.engine.check()

    def load(self) -> Scorer:
        generate = self.engine.load()

        def ask(batch: Batch) -> Measurement:
            return self._ask(batch, generate)

        return ask

    def _ask(self, batch: Batch, generate: Generate) -> Measurement:
        rows = batch.table.select(["uid", *self.needs]).to_pylist()
        answers = iter(generate(self._requests(batch, rows)))
        lists, errors, seconds = [], [], []
        for row in rows:
            asked = self._asked(row)
            completions = [next(answers) for _ in asked]
            error = next((completion.error for completion in completions if completion.error), None)
            none = row["face_box"] is None or error is not None
            lists.append(None if none else [self._answer(*pair) for pair in zip(asked, completions, strict=True)])
            errors.append(error)
            seconds.append(sum(completion.latency_seconds for completion in completions) if asked else None)
        return Measurement({"human_attributes": lists}, errors, seconds)

    def _asked(self, row: Mapping[str, Any]) -> list[Attribute]:
        """Return the questions that a sample is asked, part by part, so that a prefix cache reads each view once."""
        if row["face_box"] is None:
            return []
        missing = {"body"} if row["body_box"] is None else set()
        return [each for part in PARTS if part not in missing for each in self.attributes if each.part == part]

    def _requests(self, batch: Batch, rows: Sequence[Mapping[str, Any]]) -> Iterator[Request]:
        for row, image in zip(rows, batch.images, strict=True):
            views: dict[str, Pixels] = {}
            for number, attribute in enumerate(self._asked(row)):
                if attribute.part not in views:
                    views = {attribute.part: self._view(attribute.part, row, image)}
                yield Request(
                    id=f"{row['uid']}-{number}",
                    prompt=self.question.replace("{question}", attribute.question),
                    image=views[attribute.part],
                    system=self.system,
                    max_tokens=8,
                    choices=self.answers,
                )

    def _view(self, part: str, row: Mapping[str, Any], image: Pixels) -> Pixels:
        if part == "face":
            image = crop(image, row["face_box"], self.margin)
        elif part == "body":
            image = crop(image, row["body_box"], 0.0)
        return fit_budget(image, self.longest_side_px)

    def _answer(self, attribute: Attribute, completion: Completion) -> dict[str, Any]:
        said = completion.text.strip().casefold()
        known = said in {answer.casefold() for answer in self.answers}
        return {
            "part": attribute.part,
            "name": attribute.name,
            "present": said == self.answers[0].casefold() if known else None,
            "probability": completion.confidence if known else None,
        }


def crop(image: Pixels, box: Sequence[float], margin: float) -> Pixels:
    """Return the part of an image in a box, x0, y0, x1, y1 in fractions, with `margin` of its size on each side.

    At least one pixel a side, and no more than the image.
    """
    height, width = image.shape[:2]
    x0, y0, x1, y1 = box
    dx, dy = margin * (x1 - x0), margin * (y1 - y0)
    left, top = min(width - 1, max(0, int((x0 - dx) * width))), min(height - 1, max(0, int((y0 - dy) * height)))
    right, bottom = min(width, int(np.ceil((x1 + dx) * width))), min(height, int(np.ceil((y1 + dy) * height)))
    return np.ascontiguousarray(image[top : max(bottom, top + 1), left : max(right, left + 1)])
