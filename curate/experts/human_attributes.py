"""Ask a vision-language model for the attributes of the main person."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import ClassVar

import pyarrow as pa

from curate.captions.prompting.attributes import ATTRIBUTES, PARTS, Attribute, read_attribute
from curate.captions.viewing.pixel_budget import PATCH_PX, fit_budget
from curate.captions.viewing.zoom import cut_out
from curate.engines.asking import Conversation, Row, scorer
from curate.engines.engine import Engine, Request
from curate.errors import PlanError
from curate.stages import Pixels, Resources, Scorer
from schemas.human import HUMAN_ATTRIBUTES

__all__ = ["HumanAttributes"]


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
        self.engine.start()
        return scorer(self.adds, self.engine, self._ask)

    def _ask(self, row: Row, image: Pixels) -> Conversation:
        attributes = self._attributes_of(row)
        answers = yield self._requests(row, image, attributes)
        if row["face_box"] is None:
            return None
        pairs = zip(attributes, answers, strict=True)
        return {
            "human_attributes": [
                read_attribute(attribute, answer.text, answer.confidence, self.answers) for attribute, answer in pairs
            ]
        }

    def _attributes_of(self, row: Row) -> list[Attribute]:
        """Return what is asked about a row, part by part, so that a prefix cache reads each part of the image once."""
        if row["face_box"] is None:
            return []
        parts = [part for part in PARTS if part != "body" or row["body_box"] is not None]
        return [attribute for part in parts for attribute in self.attributes if attribute.part == part]

    def _requests(self, row: Row, image: Pixels, attributes: list[Attribute]) -> Iterator[Request]:
        """Yield a request per attribute; each part of the image is cut out once, when its first one is taken."""
        numbered = enumerate(attributes)
        for part, group in groupby(numbered, key=lambda pair: pair[1].part):
            view = self._view(part, row, image)
            for number, attribute in group:
                yield Request(
                    id=f"{row['uid']}-{number}",
                    prompt=self.question.replace("{question}", attribute.question),
                    image=view,
                    system=self.system,
                    max_tokens=8,
                    choices=self.answers,
                )

    def _view(self, part: str, row: Row, image: Pixels) -> Pixels:
        if part == "face":
            image = cut_out(image, row["face_box"], self.margin)
        elif part == "body":
            image = cut_out(image, row["body_box"], 0.0)
        return fit_budget(image, self.longest_side_px, self.engine.facts.images)
