"""One number for how true and how complete a text is, by what detector and OCR saw."""

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from curate.captions.checking.evidence import Claims, Evidence

__all__ = ["Seen", "Truth"]


@dataclass(frozen=True, slots=True)
class Truth:
    """`right` and `wrong` statements of a text, and how many of the `known` classes and lines it has `told`.

    Statements are classes named, texts quoted, numbers and places, as far as the evidence can check them.
    """

    right: int
    wrong: int
    told: int
    known: int

    @property
    def score(self) -> float | None:
        """The harmonic mean of the share that is right and the share that is told; null when there is neither.

        Neither saying more nor saying less pays by itself. Where nothing is known of the image (no object, no
        text) the share that is right counts alone; where nothing that a text says can be checked, it has 0.
        """
        said = self.right + self.wrong
        if not self.known:
            return self.right / said if said else None
        precision, recall = (self.right / said if said else 0.0), self.told / self.known
        return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


Rows: TypeAlias = Sequence[Mapping[str, Any]] | None
"""The value of the column `objects` or `ocr_lines` of one sample."""


@dataclass(frozen=True)
class Seen:
    """What detector and OCR saw in an image, and how texts are held to it."""

    evidence: Evidence
    objects: Rows
    lines: Rows

    @functools.cached_property
    def sure(self) -> dict[str, int]:
        """How many of each class are there, beyond doubt: no box of it is unsure."""
        everything = self.evidence.boxes(self.objects or (), 0.0)
        sure = self.evidence.boxes(self.objects or (), self.evidence.sure_object_score)
        return {label: len(boxes) for label, boxes in sure.items() if len(boxes) == len(everything[label])}

    @functools.cached_property
    def suspected(self) -> frozenset[str]:
        """Every class of which there is a box, however unsure."""
        return frozenset(self.evidence.boxes(self.objects or (), 0.0))

    @functools.cached_property
    def known(self) -> int:
        """How many classes and texts are surely in the image: what a complete text would tell."""
        nothing = self.claims("")
        return len(nothing.missed) + len(nothing.missed_texts)

    def claims(self, text: str) -> Claims:
        return self.evidence.measure(text, self.objects, self.lines)

    def truth(self, text: str) -> Truth:
        """Count what a text says of the image, and what it leaves out."""
        claims = self.claims(text)
        right = sum(map(len, (claims.supported, claims.supported_texts, claims.right_counts, claims.right_places)))
        return Truth(right, claims.wrong, self.known - len(claims.missed) - len(claims.missed_texts), self.known)

    def score(self, text: str) -> float | None:
        """Return the evidence score of a text.

        >>> dog = {"label": "dog", "box": [0.1, 0.4, 0.3, 0.6], "score": 0.9}
        >>> [round(Seen(Evidence(), [dog], []).score(text), 2) for text in ("A dog.", "A dog and a cat.", "Grass.")]
        [1.0, 0.8, 0.0]
        """
        return self.truth(text).score
