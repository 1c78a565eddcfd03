"""Compare what a caption claims with what detector and OCR found, in both directions."""

import functools
import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import MISSING, dataclass, field, fields, replace
from typing import Any, Final

from curate.captions.checking.counts import said_counts
from curate.captions.checking.lexicon import Lexicon, Mention, read_lexicon
from curate.captions.checking.matching import found_in, plain_words
from curate.captions.checking.nouns import find_nouns
from curate.captions.checking.positions import Position, positions
from curate.captions.checking.witnesses import (
    Boxes,
    Columns,
    OpenSet,
    Verdict,
    Witness,
    Witnesses,
    boxes_of,
    label_of_name,
)
from curate.captions.checking.words import quotes
from curate.captions.prompting.places import place_words
from curate.errors import PlanError

__all__ = ["Claims", "CountClaim", "Evidence", "Judged", "PlaceClaim", "share"]

MOST_QUOTES: Final = 50  # of one caption, and lines of one image, that are compared: bounds the cost of hostile input


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
class Judged:
    """One claim of a caption and what the experts say to it; `kind` is "object", "text", "number" or "place"."""

    kind: str
    claim: str
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class Claims:
    """What was compared; null precision or recall: there was nothing to compare, or nothing to compare it with.

    Objects are classes and nouns outside of the lexicon, each once: `supported`, `unsupported` (contradicted: a
    detector that knows it did not see it) or `unjudged` (nobody could have seen it). Lists are empty where a source is
    missing. `verdicts` are all claims, each with what was found: objects, quotations, numbers (two or more, or none)
    and places of objects that are not contradicted themselves.
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
    verdicts: tuple[Judged, ...] = ()

    @property
    def coverage(self) -> float | None:
        """The share of the claims that could be judged; null of nothing claimed."""
        judged = sum(one.verdict != "unjudged" for one in self.verdicts)
        return share(judged, len(self.verdicts))

    @property
    def named(self) -> tuple[str, ...]:
        """All objects that the caption names, judged or not."""
        return self.supported + self.unsupported + self.unjudged

    @property
    def wrong(self) -> int:
        """How many claims are wrong: objects, texts, counts and places."""
        return sum(map(len, (self.unsupported, self.unsupported_texts, self.wrong_counts, self.wrong_places)))

    def without_doubt_of(self, labels: Collection[str]) -> "Claims":
        """Return the claims with some objects moved to the supported: another witness saw them."""
        moved = tuple(label for label in self.unsupported + self.unjudged if label in labels)
        if not moved:
            return self
        supported, rest = self.supported + moved, tuple(label for label in self.unsupported if label not in labels)
        return replace(
            self,
            supported=supported,
            unsupported=rest,
            unjudged=tuple(label for label in self.unjudged if label not in labels),
            object_precision=share(len(supported), len(supported) + len(rest)),
            verdicts=tuple(
                replace(one, verdict="supported") if one.kind == "object" and one.claim in moved else one
                for one in self.verdicts
            ),
        )


@dataclass(frozen=True, repr=False)
class Evidence:
    """Compares a caption with boxes and text lines; pure, and blind to all that neither expert can see.

    A box of `min_object_score` is enough to support a claim, only one of `sure_object_score` is missed when nobody
    names it; the same for lines. A number is wrong when no threshold between the two makes it right. `detector_labels`
    names the classes that the detector knows, as it spells them; empty: all of the lexicon. Texts are equal when the
    share of letters that differ is at most 1 - `min_similarity`, without regard to case, blanks and punctuation.
    `columns` names open-set detectors and tags as further witnesses: what was asked for and is not among the boxes of a
    detector, which has a least score of its own, is contradicted, what nobody was asked for is unjudged, and a tag
    supports only.
    Source: the idea of CHAIR (Rohrbach et al. 2018, arXiv 1809.02156) with a detector in the place of annotations.
    0.25 is ultralytics' own threshold, 0.85 Monkey's for PP-OCR (arXiv 2311.06607); the others are ours, measured in
    docs/evidence.md. Left out: attributes, relations and actions.

    >>> from curate.captions.checking.lexicon import read_lexicon
    >>> from curate.captions.checking.witnesses import Asked, OpenSet
    >>> coco = read_lexicon("coco80").names
    >>> wide = Evidence(read_lexicon("lvis"), coco, columns=Columns(("open_objects",), "tags"))
    >>> dog = {"label": "dog", "box": [0.1, 0.4, 0.3, 0.6], "score": 0.9}
    >>> claims = wide.measure("A poodle, a cat, an anvil and an animal.", [dog], None, OpenSet((Asked([], ["anvil"]),)))
    >>> claims.supported, claims.unsupported
    (('dog', 'animal'), ('cat', 'anvil'))
    """

    lexicon: Lexicon = field(default_factory=lambda: read_lexicon("coco80"))
    detector_labels: tuple[str, ...] = ()
    min_object_score: float = 0.25
    sure_object_score: float = 0.5
    min_line_score: float = 0.5
    sure_line_score: float = 0.85
    min_similarity: float = 0.8
    place_slack: float = 0.05
    columns: Columns = field(default_factory=Columns)

    def __post_init__(self) -> None:
        for low, high in (("min_object_score", "sure_object_score"), ("min_line_score", "sure_line_score")):
            if not 0 <= getattr(self, low) <= getattr(self, high) <= 1:
                values = f"{low}={getattr(self, low)}, {high}={getattr(self, high)}"
                raise PlanError(f"Evidence: {values}; give 0 <= {low} <= {high} <= 1")
        if not 0 < self.min_similarity <= 1 or not 0 <= self.place_slack <= 0.5:
            raise PlanError(
                f"Evidence: min_similarity={self.min_similarity} must be above 0, at most 1, place_slack="
                f"{self.place_slack} between 0 and 0.5"
            )
        if unknown := [name for name in self.detector_labels if self.lexicon.label_of(name) is None]:
            raise PlanError(f"Evidence: {self.lexicon!r} does not know the detector labels {unknown}")

    def __repr__(self) -> str:
        """Return all fields but `columns` where they name nothing: it is part of stage ids."""
        default = {"columns": Columns()}
        shown = [one for one in fields(self) if getattr(self, one.name) != default.get(one.name, MISSING)]
        return f"Evidence({', '.join(f'{one.name}={getattr(self, one.name)!r}' for one in shown)})"

    def measure(
        self,
        caption: str | None,
        objects: Sequence[Mapping[str, Any]] | None,
        ocr_lines: Sequence[Mapping[str, Any]] | None,
        open_set: OpenSet | None = None,
    ) -> Claims:
        """Compare a caption with the `objects` and `ocr_lines` columns of its row; null: not measured.

        `open_set` is what `columns.read` finds in the row.

        >>> box = {"label": "dog", "box": [0.1, 0.4, 0.3, 0.6], "score": 0.9}
        >>> claims = Evidence().measure("Two dogs on the right, a cat and “STOP”.", [box], [])
        >>> claims.object_precision, claims.unsupported, claims.text_precision
        (0.5, ('cat',), 0.0)
        >>> claims.wrong_counts, claims.wrong_places
        ((CountClaim(label='dog', said=2, seen=1),), (PlaceClaim(label='dog', said='right', seen='middle left'),))
        >>> claims.coverage, Evidence().measure("A dog on a tightrope.", [box], []).coverage
        (1.0, 0.5)
        """
        if caption is None:
            return Claims()
        quoted = _distinct(text for _, _, text in quotes(caption))[:MOST_QUOTES]
        text_claims = self._texts(caption, quoted, ocr_lines) if ocr_lines is not None else {}
        witnesses = self.witnesses(objects, open_set)
        object_claims, verdicts = self._objects(caption, witnesses)
        for text in quoted:
            seen = text in text_claims.get("supported_texts", ())
            verdicts.append(Judged("text", text, _verdict(seen) if ocr_lines is not None else "unjudged"))
        return Claims(**(object_claims if witnesses.measured else {}), **text_claims, verdicts=tuple(verdicts))

    def mentions(self, caption: str) -> list[Mention]:
        """Return the mentions of classes and of other nouns, in order."""
        return _merged(caption, self.lexicon.mentions(caption), self.lexicon)

    def named(self, caption: str) -> tuple[str, ...]:
        """Return the classes and nouns that a caption says are there, each once."""
        return tuple(dict.fromkeys(one.label for one in self.mentions(caption) if one.count != 0))

    def boxes(self, objects: Sequence[Mapping[str, Any]], least: float) -> Boxes:
        """Return the boxes of each class of the lexicon with a score of at least `least`; broken ones are left out."""
        return boxes_of(objects, least, self.lexicon)

    @functools.cached_property
    def _known(self) -> frozenset[str]:
        """The classes of the detector."""
        if not self.detector_labels:
            return frozenset(self.lexicon.names)
        return frozenset(label for name in self.detector_labels if (label := self.lexicon.label_of(name)))

    def knows(self, label: str) -> bool:
        """Tell whether the detector can see a class."""
        return label in self._known

    def witnesses(self, objects: Sequence[Mapping[str, Any]] | None, open_set: OpenSet | None = None) -> Witnesses:
        """Return who saw what: the detector, and open-set detectors and tags where they were measured."""
        detectors = []
        if objects is not None:
            scores = self.min_object_score, self.sure_object_score
            detectors.append(Witness(self._known, *(boxes_of(objects, score, self.lexicon) for score in scores)))
        found = open_set or OpenSet()
        for one in found.asked:
            if one.objects is not None and one.names is not None:
                names = frozenset(label_of_name(name, self.lexicon) for name in one.names)
                scores = 0.0, self.sure_object_score
                boxes = (boxes_of(one.objects, score, self.lexicon, is_open=True) for score in scores)
                detectors.append(Witness(names, *boxes))
        tags = frozenset(label_of_name(tag["label"] or "", self.lexicon) for tag in found.tags or ())
        return Witnesses(self.lexicon, tuple(detectors), tags, measured=bool(detectors) or found.tags is not None)

    def _objects(self, caption: str, witnesses: Witnesses) -> tuple[dict[str, Any], list[Judged]]:
        own = self.lexicon.mentions(caption)
        merged = _merged(caption, own, self.lexicon)
        verdicts = {label: witnesses.verdict(label) for label in (one.label for one in merged if one.count != 0)}
        supported, contradicted, unjudged = (
            tuple(label for label, found in verdicts.items() if found == verdict)
            for verdict in ("supported", "contradicted", "unjudged")
        )
        certain, named = witnesses.certain(), frozenset(verdicts)
        missed = tuple(label for label in certain if not witnesses.is_named(label, named))
        numbers_and_places, judged = self._numbers_and_places(caption, (own, merged), witnesses)
        claims = {
            "object_precision": share(len(supported), len(supported) + len(contradicted)),
            "object_recall": share(len(certain) - len(missed), len(certain)),
            "supported": supported,
            "unsupported": contradicted,
            "missed": missed,
            "unjudged": unjudged,
        }
        return claims | numbers_and_places, [Judged("object", *one) for one in verdicts.items()] + judged

    def _numbers_and_places(
        self, caption: str, mentions: tuple[list[Mention], list[Mention]], witnesses: Witnesses
    ) -> tuple[dict[str, Any], list[Judged]]:
        """Compare numbers and places; those of a contradicted object are no claims of their own.

        A lexicon without classes above others is read as it always was: nouns outside of it own no number or place, and
        "a man" is one man. With them only a number of two or more has an upper end.
        """
        own, merged = mentions
        is_open = bool(self.lexicon.parents or self.columns.needs)
        read = [replace(one, label=witnesses.level(one.label) or one.label) for one in (merged if is_open else own)]
        places = positions(caption, read)
        said = said_counts(caption, read, places, self.lexicon)
        if is_open:  # things named one by one are not all that there are
            several = {one.label for one in read if one.count and one.count > 1}
            said = {one: (low, high if one in several or not high else math.inf) for one, (low, high) in said.items()}
        counts = {label: self._count(label, number, witnesses) for label, number in said.items()}
        spots = [(read[place.mention].label, place) for place in places]
        found = [(label, place, self._place(label, place, witnesses)) for label, place in spots]
        judged = [
            Judged("number", f"{low} {label}", _verdict(claim.said == claim.seen if (claim := counts[label]) else None))
            for label, (low, high) in said.items()
            if (low > 1 or not high) and self._stands(label, witnesses)
        ]
        judged += [
            Judged("place", f"{label}, {place.words}", _verdict(spot[0] if spot else None))
            for label, place, spot in found
            if self._stands(label, witnesses)
        ]
        return {
            "right_counts": tuple(claim for claim in counts.values() if claim and claim.said == claim.seen),
            "wrong_counts": tuple(claim for claim in counts.values() if claim and claim.said != claim.seen),
            "right_places": tuple(spot[1] for *_, spot in found if spot and spot[0]),
            "wrong_places": tuple(spot[1] for *_, spot in found if spot and not spot[0]),
        }, judged

    @staticmethod
    def _stands(label: str, witnesses: Witnesses) -> bool:
        return witnesses.verdict(label) != "contradicted"

    def _count(self, label: str, said: tuple[int, float], witnesses: Witnesses) -> CountClaim | None:
        if self.lexicon.parents and witnesses.level(label) is None:
            return None
        return _count(label, said, len(witnesses.boxes(label)), len(witnesses.boxes(label, sure=True)))

    def _place(self, label: str, place: Position, witnesses: Witnesses) -> tuple[bool, PlaceClaim] | None:
        boxes = witnesses.boxes(label)
        if not boxes:
            return None
        fitting = [box for box in boxes if place.fits(box, self.place_slack)]
        return bool(fitting), PlaceClaim(label, place.words, place_words((fitting or boxes)[0]))

    def _texts(self, caption: str, quoted: list[str], ocr_lines: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        lines = [(line["text"] or "", line["score"] or 0.0) for line in ocr_lines[:MOST_QUOTES]]
        ocr_text = " ".join(text for text, score in lines if score >= self.min_line_score)
        certain = _distinct(text for text, score in lines if score >= self.sure_line_score)
        supported = [text for text in quoted if found_in(text, ocr_text, self.min_similarity)]
        missed = [text for text in certain if not found_in(text, caption, self.min_similarity)]
        return {
            "text_precision": share(len(supported), len(quoted)),
            "text_recall": share(len(certain) - len(missed), len(certain)),
            "supported_texts": tuple(supported),
            "unsupported_texts": tuple(text for text in quoted if text not in supported),
            "missed_texts": tuple(missed),
        }


def _verdict(is_right: bool | None) -> Verdict:
    return "unjudged" if is_right is None else "supported" if is_right else "contradicted"


def _merged(text: str, mentions: list[Mention], lexicon: Lexicon) -> list[Mention]:
    """Return mentions of the lexicon and of other nouns, in order; what the lexicon knows and passed over stays out."""
    others = [noun for noun in find_nouns(text, mentions) if lexicon.label_of(noun.label) is None]
    return sorted([*mentions, *others], key=lambda one: one.start)


def _distinct(texts: Iterable[str]) -> list[str]:
    """Return the texts that hold a letter or digit, each once."""
    return list({"".join(words): text for text in texts if (words := plain_words(text))}.values())


def share(part: int, whole: int) -> float | None:
    """Return a share; null of nothing."""
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
