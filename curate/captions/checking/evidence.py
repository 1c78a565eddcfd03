"""What a caption claims against what detector and OCR saw, both ways."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from curate.captions.boxes import is_box
from curate.captions.checking.counts import said_counts
from curate.captions.checking.lexicon import Lexicon, Mention, read_lexicon
from curate.captions.checking.matching import found_in, plain_words
from curate.captions.checking.positions import Position, positions
from curate.captions.checking.words import quotes
from curate.captions.prompting.places import place_words
from curate.errors import PlanError

__all__ = ["Claims", "CountClaim", "Evidence", "PlaceClaim"]

MOST_QUOTES: Final = 50  # of one caption and lines of one image that are compared: hostile input stays cheap


@dataclass(frozen=True, slots=True)
class CountClaim:
    """How many of a class the caption says, and how many boxes there are."""

    label: str
    said: int
    seen: int


@dataclass(frozen=True, slots=True)
class PlaceClaim:
    """Where the caption says an object is, and where the nearest box of its class is."""

    label: str
    said: str
    seen: str


@dataclass(frozen=True, slots=True)
class Claims:
    """What was compared; null precision or recall: there was nothing to compare, or nothing to compare it with.

    Objects are classes, each once. `unjudged` are classes that the detector does not know. Lists are empty where a
    source is missing.
    """

    object_precision: float | None = None
    object_recall: float | None = None
    text_precision: float | None = None
    text_recall: float | None = None
    supported: tuple[str, ...] = ()
    unsupported: tuple[str, ...] = ()
    missed: tuple[str, ...] = ()
    unjudged: tuple[str, ...] = ()
    supported_texts: tuple[str, ...] = ()
    unsupported_texts: tuple[str, ...] = ()
    missed_texts: tuple[str, ...] = ()
    right_counts: tuple[CountClaim, ...] = ()
    wrong_counts: tuple[CountClaim, ...] = ()
    right_places: tuple[PlaceClaim, ...] = ()
    wrong_places: tuple[PlaceClaim, ...] = ()

    @property
    def wrong(self) -> int:
        """How many claims are wrong: objects, texts, counts and places."""
        return sum(map(len, (self.unsupported, self.unsupported_texts, self.wrong_counts, self.wrong_places)))

    def without_doubt_of(self, labels: Collection[str]) -> "Claims":
        """Return the claims with some unsupported classes moved to the supported: another witness saw them."""
        moved = tuple(label for label in self.unsupported if label in labels)
        if not moved:
            return self
        supported, rest = self.supported + moved, tuple(label for label in self.unsupported if label not in labels)
        precision = _share(len(supported), len(supported) + len(rest))
        return replace(self, supported=supported, unsupported=rest, object_precision=precision)


@dataclass(frozen=True)
class Evidence:
    """Compares a caption with boxes and text lines; pure, and blind to all that neither expert can see.

    A box of `min_object_score` is enough to support a claim, only one of `sure_object_score` is missed when nobody
    names it; the same for lines. A number is wrong when no threshold between the two makes it right. `detector_labels`
    names the classes that the detector knows, as it spells them; empty: all of the lexicon. Texts are equal when the
    share of letters that differ is at most 1 - `min_similarity`, without regard to case, blanks and punctuation.
    Source: the idea of CHAIR (Rohrbach et al. 2018, arXiv 1809.02156) with a detector in the place of annotations.
    0.25 is ultralytics' own threshold, 0.85 Monkey's for PP-OCR (arXiv 2311.06607); the others are ours, measured in
    docs/evidence.md. Left out: attributes, relations and actions.
    """

    lexicon: Lexicon = field(default_factory=lambda: read_lexicon("coco80"))
    detector_labels: tuple[str, ...] = ()
    min_object_score: float = 0.25
    sure_object_score: float = 0.5
    min_line_score: float = 0.5
    sure_line_score: float = 0.85
    min_similarity: float = 0.8
    place_slack: float = 0.05

    def __post_init__(self) -> None:
        for low, high in (("min_object_score", "sure_object_score"), ("min_line_score", "sure_line_score")):
            if not 0 <= getattr(self, low) <= getattr(self, high) <= 1:
                values = f"{low}={getattr(self, low)}, {high}={getattr(self, high)}"
                raise PlanError(f"Evidence: {values}; give 0 <= {low} <= {high} <= 1")
        if not 0 < self.min_similarity <= 1 or not 0 <= self.place_slack <= 0.5:
            raise PlanError(
                f"Evidence: min_similarity={self.min_similarity} must be above 0, at most 1, "
                f"place_slack={self.place_slack} between 0 and 0.5"
            )
        if unknown := [name for name in self.detector_labels if self.lexicon.label_of(name) is None]:
            raise PlanError(f"Evidence: {self.lexicon!r} does not know the detector labels {unknown}")

    def measure(
        self,
        caption: str | None,
        objects: Sequence[Mapping[str, Any]] | None,
        ocr_lines: Sequence[Mapping[str, Any]] | None,
    ) -> Claims:
        """Compare a caption with the `objects` and `ocr_lines` columns of its row; null: not measured.

        >>> box = {"label": "dog", "box": [0.1, 0.4, 0.3, 0.6], "score": 0.9}
        >>> claims = Evidence().measure("Two dogs on the right, a cat and “STOP”.", [box], [])
        >>> claims.object_precision, claims.unsupported, claims.text_precision
        (0.5, ('cat',), 0.0)
        >>> claims.wrong_counts, claims.wrong_places
        ((CountClaim(label='dog', said=2, seen=1),), (PlaceClaim(label='dog', said='right', seen='middle left'),))
        """
        if caption is None:
            return Claims()
        mentions = self.lexicon.mentions(caption)
        object_claims = self._objects(caption, mentions, objects) if objects is not None else {}
        text_claims = self._texts(caption, ocr_lines) if ocr_lines is not None else {}
        return Claims(**object_claims, **text_claims)

    def boxes(self, objects: Sequence[Mapping[str, Any]], least: float) -> dict[str, list[list[float]]]:
        """Return the boxes of each class of the lexicon with a score of at least `least`; broken ones are left out."""
        by_label: dict[str, list[list[float]]] = {}
        for detection in objects:
            label, box, score = self.lexicon.label_of(detection["label"] or ""), detection["box"], detection["score"]
            if label and score is not None and score >= least and is_box(box):
                by_label.setdefault(label, []).append(list(box))
        return by_label

    def knows(self, label: str) -> bool:
        """Tell whether the detector can see a class."""
        return not self.detector_labels or label in {self.lexicon.label_of(name) for name in self.detector_labels}

    def _objects(self, caption: str, mentions: list[Mention], objects: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        detected, certain = self.boxes(objects, self.min_object_score), self.boxes(objects, self.sure_object_score)
        named = dict.fromkeys(mention.label for mention in mentions if mention.count != 0)
        judged = [label for label in named if self.knows(label)]
        supported = [label for label in judged if label in detected]
        missed = [label for label in certain if label not in named]
        places = positions(caption, mentions)
        counts_said = said_counts(caption, mentions, places, self.lexicon).items()
        compared = [
            _count(label, number, len(detected.get(label, ())), len(certain.get(label, ())))
            for label, number in counts_said
        ]
        counts = [claim for claim in compared if claim is not None]
        spots = [self._place(mentions[place.mention].label, place, detected) for place in places]
        return {
            "object_precision": _share(len(supported), len(judged)),
            "object_recall": _share(len(certain) - len(missed), len(certain)),
            "supported": tuple(supported),
            "unsupported": tuple(label for label in judged if label not in detected),
            "missed": tuple(missed),
            "unjudged": tuple(label for label in named if not self.knows(label)),
            "right_counts": tuple(claim for claim in counts if claim.said == claim.seen),
            "wrong_counts": tuple(claim for claim in counts if claim.said != claim.seen),
            "right_places": tuple(claim for is_right, claim in filter(None, spots) if is_right),
            "wrong_places": tuple(claim for is_right, claim in filter(None, spots) if not is_right),
        }

    def _place(
        self, label: str, place: Position, detected: Mapping[str, list[list[float]]]
    ) -> tuple[bool, PlaceClaim] | None:
        boxes = detected.get(label, [])
        if not boxes:
            return None
        fitting = [box for box in boxes if place.fits(box, self.place_slack)]
        return bool(fitting), PlaceClaim(label, place.words, place_words((fitting or boxes)[0]))

    def _texts(self, caption: str, ocr_lines: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        lines = [(line["text"] or "", line["score"] or 0.0) for line in ocr_lines[:MOST_QUOTES]]
        ocr_text = " ".join(text for text, score in lines if score >= self.min_line_score)
        quoted = _distinct(text for _, _, text in quotes(caption))[:MOST_QUOTES]
        certain = _distinct(text for text, score in lines if score >= self.sure_line_score)
        supported = [text for text in quoted if found_in(text, ocr_text, self.min_similarity)]
        missed = [text for text in certain if not found_in(text, caption, self.min_similarity)]
        return {
            "text_precision": _share(len(supported), len(quoted)),
            "text_recall": _share(len(certain) - len(missed), len(certain)),
            "supported_texts": tuple(supported),
            "unsupported_texts": tuple(text for text in quoted if text not in supported),
            "missed_texts": tuple(missed),
        }


def _distinct(texts: Iterable[str]) -> list[str]:
    """Return the texts that hold a letter or digit, each once."""
    return list({"".join(words): text for text in texts if (words := plain_words(text))}.values())


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None


def _count(label: str, said: tuple[int, float], seen: int, sure: int) -> CountClaim | None:
    """Compare a number with the boxes: `sure` of them at least, `seen` at most. Null: there is none to compare."""
    low, high = said
    if not high:
        return CountClaim(label, 0, sure)
    if not seen:
        return None
    if seen < low:
        return CountClaim(label, low, seen)
    if sure > high:
        return CountClaim(label, int(high), sure)
    right = max(low, sure)
    return CountClaim(label, right, right)
