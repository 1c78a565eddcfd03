"""One number for how true and how complete a text is, by what detector and OCR found in its image."""

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

from curate.captions.checking.evidence import Claims, Evidence
from curate.captions.checking.witnesses import OpenSet, Witnesses

__all__ = ["ImageEvidence", "TextScore"]


@dataclass(frozen=True, slots=True)
class TextScore:
    """Statements of a text that are `right` and `wrong`; of the `total` classes and lines of its image, those `named`.

    Statements are classes named, texts quoted, numbers and places, as far as the evidence can check them.
    """

    right: int
    wrong: int
    named: int
    total: int

    @property
    def value(self) -> float | None:
        """The harmonic mean of the share that is right and the share that is named; null when there is neither.

        Neither saying more nor saying less pays by itself. Where the image holds no object and no text for sure, the
        share that is right counts alone; where nothing that a text says can be checked, it has 0.
        """
        statements = self.right + self.wrong
        if not self.total:
            return self.right / statements if statements else None
        precision, recall = (self.right / statements if statements else 0.0), self.named / self.total
        return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


Rows: TypeAlias = Sequence[Mapping[str, Any]] | None
"""The value of the column `objects` or `ocr_lines` of one sample."""


@dataclass(frozen=True)
class ImageEvidence:
    """What detectors and OCR found in one image, and how texts are compared with it.

    `open_set` is what `evidence.columns.read` finds in the row.
    """

    evidence: Evidence
    objects: Rows
    lines: Rows
    open_set: OpenSet = field(default_factory=OpenSet)

    @functools.cached_property
    def _seen(self) -> Witnesses:
        """What detectors saw, however unsure."""
        return replace(self.evidence, min_object_score=0.0).witnesses(self.objects, self.open_set)

    @functools.cached_property
    def certain(self) -> dict[str, int]:
        """The number of each class that is beyond doubt: no box of it, or of one under it, is unsure."""
        sure = {label: self._seen.boxes(label, sure=True) for label in self._seen.certain()}
        return {label: len(boxes) for label, boxes in sure.items() if len(boxes) == len(self._seen.boxes(label))}

    @functools.cached_property
    def possible(self) -> frozenset[str]:
        """Every class of which there is a box, however unsure, or a tag, and those above it."""
        seen = self._seen.tags.union(*(witness.saw for witness in self._seen.detectors))
        return seen.union(*(self.evidence.lexicon.above(label) for label in seen))

    def is_absent(self, label: str) -> bool:
        """Tell whether a detector that knows a class, or was asked for it, has no box of it nor of one above or under.

        >>> ImageEvidence(Evidence(), [], []).is_absent("dog")
        True
        """
        return label not in self.possible and self._seen.verdict(label) == "contradicted"

    @functools.cached_property
    def total(self) -> int:
        """How many classes and texts are in the image for sure: what a complete text would name."""
        nothing = self.claims("")
        return len(nothing.missed) + len(nothing.missed_texts)

    def claims(self, text: str) -> Claims:
        return self.evidence.measure(text, self.objects, self.lines, self.open_set)

    def count(self, text: str) -> TextScore:
        """Count what a text says of the image, and what it leaves out."""
        claims = self.claims(text)
        right = sum(map(len, (claims.supported, claims.supported_texts, claims.right_counts, claims.right_places)))
        named = self.total - len(claims.missed) - len(claims.missed_texts)
        return TextScore(right, claims.wrong, named, self.total)

    def score(self, text: str) -> float | None:
        """Return the evidence score of a text.

        >>> dog = {"label": "dog", "box": [0.1, 0.4, 0.3, 0.6], "score": 0.9}
        >>> image = ImageEvidence(Evidence(), [dog], [])
        >>> [round(image.score(text), 2) for text in ("A dog.", "A dog and a cat.", "Grass.")]
        [1.0, 0.8, 0.0]
        """
        return self.count(text).value
