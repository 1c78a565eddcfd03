"""Which boxes the words of a caption mean."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from curate.captions.checking.evidence import Evidence
from curate.captions.checking.lexicon import Lexicon, Mention
from curate.captions.checking.positions import Position, positions
from curate.captions.checking.witnesses import Witnesses

__all__ = ["Phrase", "ground", "swift_objects"]

Corners: TypeAlias = tuple[float, ...]
"""A box that can be compared: x0, y0, x1, y1 in fractions of the image."""

PLACEHOLDERS: Final = ("<bbox>", "<ref-object>", "<image>", "<video>", "<audio>")


@dataclass(frozen=True, slots=True)
class Phrase:
    """Words of a caption, at characters `start` to `end`, and the boxes that they mean; none: nobody can tell."""

    phrase: str
    start: int
    end: int
    label: str
    boxes: tuple[Corners, ...] = ()


def ground(caption: str, witnesses: Witnesses, evidence: Evidence) -> list[Phrase]:
    """Return every mention of a caption that denies nothing, with its boxes if they are beyond doubt.

    Where `evidence.columns` names open-set detectors or tags, nouns that no lexicon holds are mentions too. A phrase
    gets the boxes of its class, and of those under it, that lie where its sentence says, if they are as many as it
    says: all for a plural without a number, one for a singular. "The dog" that could be any of several is the one last
    spoken of. Boxes that a detector is sure of are tried first, then all. A number or place that does not fit gives no
    boxes.

    >>> left, right = ({"label": "dog", "box": [x, 0.4, x + 0.2, 0.6], "score": 0.9} for x in (0.0, 0.8))
    >>> seen = Evidence().witnesses([left, right])
    >>> found = ground("Two dogs; a dog on the left and a cat. The dog barks.", seen, Evidence())
    >>> [(one.phrase, len(one.boxes)) for one in found]
    [('dogs', 2), ('dog', 1), ('cat', 0), ('dog', 1)]
    """
    mentions = evidence.mentions(caption) if evidence.columns.needs else evidence.lexicon.mentions(caption)
    places: dict[int, list[Position]] = {}
    for place in positions(caption, mentions):
        places.setdefault(place.mention, []).append(place)
    phrases: list[Phrase] = []
    last: dict[str, tuple[Corners, ...]] = {}
    for i, mention in enumerate(mentions):
        if mention.count == 0:
            continue
        text = caption[mention.start : mention.end]
        is_plural = _is_plural(mention, text, evidence.lexicon)
        chosen: tuple[Corners, ...] = ()
        for sure in (True, False):
            boxes = [tuple(box) for box in witnesses.boxes(mention.label, sure)]
            chosen = chosen or _choose(mention, is_plural, _placed(boxes, places.get(i, []), evidence.place_slack))
        if not chosen and mention.count is None and i not in places and is_plural is not True:
            chosen = last.get(mention.label, ())
        if len(chosen) == 1:
            last[mention.label] = chosen
        else:
            last.pop(mention.label, None)
        phrases.append(Phrase(text, mention.start, mention.end, mention.label, chosen))
    return phrases


def swift_objects(caption: str, phrases: Sequence[Phrase]) -> tuple[str, dict[str, Any]]:
    """Return a caption with ms-swift's placeholders, and its `objects`; phrases without boxes stay words.

    A row of the `caption_phrases` column is `Phrase(**row)`. `bbox` holds fractions (`bbox_type` "norm1") in the order
    of the placeholders; every box is of the first image.
    A placeholder that the caption itself spells gets other brackets, or all boxes after it would move.
    Source: ms-swift's Custom-dataset.md, grounding format.

    >>> swift_objects("Two dogs run.", [Phrase("dogs", 4, 8, "dog", ((0.0, 0.1, 0.2, 0.3), (0.5, 0.1, 0.7, 0.3)))])[0]
    'Two <ref-object><bbox><bbox> run.'
    """
    parts, at = [], 0
    grounded = [phrase for phrase in phrases if phrase.boxes]
    for phrase in grounded:
        parts += [_harmless(caption[at : phrase.start]), "<ref-object>", "<bbox>" * len(phrase.boxes)]
        at = phrase.end
    boxes = [[round(edge, 4) for edge in box] for phrase in grounded for box in phrase.boxes]  # columns are float32
    objects = {
        "ref": [phrase.phrase for phrase in grounded],
        "bbox": boxes,
        "bbox_type": "norm1",
        "image_id": [0] * len(boxes),
    }
    return "".join([*parts, _harmless(caption[at:])]), objects


def _is_plural(mention: Mention, text: str, lexicon: Lexicon) -> bool | None:
    """Tell whether a mention is a plural; a noun that no lexicon holds is one if its label, a singular, differs."""
    if lexicon.label_of(mention.label) is None:
        return " ".join(text.casefold().split()) != mention.label
    return lexicon.is_plural(text)


def _placed(boxes: list[Corners], places: list[Position], slack: float) -> list[Corners]:
    return [box for box in boxes if any(place.fits(box, slack) for place in places)] if places else boxes


def _choose(mention: Mention, is_plural: bool | None, boxes: list[Corners]) -> tuple[Corners, ...]:
    """Return the boxes if their number is the one that the phrase says, none otherwise."""
    number = mention.count if mention.count is not None else 1 if is_plural is False else None
    fits = len(boxes) == number if number is not None else bool(boxes)
    return tuple(boxes) if fits else ()


def _harmless(text: str) -> str:
    for mark in PLACEHOLDERS:
        text = text.replace(mark, f"\u2039{mark[1:-1]}\u203a")
    return text
