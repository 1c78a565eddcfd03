"""Ask a detector for names that differ from image to image."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from curate.captions.boxes import Box
from curate.experts.detections import Detection, a_few_at_once
from curate.stages import Pixels

__all__ = ["Asking", "Found", "OpenSetModel"]

TOGETHER: Final = 32  # names that are encoded at once, always as many: a kernel for fewer may round differently
KEPT: Final = 20_000  # vectors in memory, 40 MB at 512 numbers


@dataclass(frozen=True, slots=True)
class Found:
    """One answer: the number of the name among those asked, a box in fractions of the image, a score 0 to 1."""

    name: int
    box: Box
    score: float


class OpenSetModel(Protocol):
    """A loaded detector that is told names; each name is answered as if it were the only one."""

    device: str

    def embed(self, names: Sequence[str]) -> Any:
        """Return the vectors of names, float32[n, d], on the model's device."""

    def detect(self, images: Sequence[Pixels], queries: Any) -> list[list[Found]]:
        """Return what is found in each image of its own names, whose vectors are float32[b, n, d], zero for none."""


@dataclass(slots=True)
class Asking:
    """Asks a model about each image's own names, at most `most` each; remembers the vectors of names.

    The vectors of an image are padded to `most`, whatever its neighbours ask for, so that neither the names nor the
    number of names of one image can touch the result of another.
    """

    model: OpenSetModel
    most: int
    vectors: dict[str, Any] = field(default_factory=dict)

    def find(self, images: Sequence[Pixels], names: Sequence[Sequence[str]]) -> list[list[Detection]]:
        """Return the detections of each image; the labels are its names as they were given."""
        self._remember(list(dict.fromkeys(name for own in names for name in own)))
        asked = [i for i, own in enumerate(names) if own]
        found: list[list[Detection]] = [[] for _ in images]
        for rows in a_few_at_once(asked):
            answers = self.model.detect([images[i] for i in rows], self._queries([names[i] for i in rows]))
            for i, each in zip(rows, answers, strict=True):
                boxes = [_detection(answer, names[i]) for answer in each if answer.name < len(names[i])]
                found[i] = [one for one in boxes if one.area > 0]  # what lies beside the image is none
        return found

    def _queries(self, names: Sequence[Sequence[str]]) -> Any:
        """Return the vectors of names as float32[images, most, d], zero past the last name."""
        import torch

        each = [torch.stack([self.vectors[name] for name in own]) for own in names]
        return torch.stack([torch.nn.functional.pad(own, (0, 0, 0, self.most - len(own))) for own in each])

    def _remember(self, names: Sequence[str]) -> None:
        if len(self.vectors) + len(names) > KEPT:
            self.vectors.clear()
        new = [name for name in names if name not in self.vectors]
        for start in range(0, len(new), TOGETHER):
            some = new[start : start + TOGETHER]
            vectors = self.model.embed([*some, *["thing"] * (TOGETHER - len(some))])
            self.vectors.update(zip(some, vectors, strict=False))


def _detection(answer: Found, names: Sequence[str]) -> Detection:
    x0, y0, x1, y1 = (min(1.0, max(0.0, edge)) for edge in answer.box)
    return Detection(names[answer.name], (x0, y0, x1, y1), answer.score)
