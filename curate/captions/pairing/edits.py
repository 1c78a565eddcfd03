"""Minimal edits that make a good caption wrong in one known way.

An edit is made only where evidence bears out what it changes, and kept only if the result measures worse; a colour,
which neither detector nor OCR can check, is changed on the caption's word.
"""

import functools
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from curate.captions.checking.evidence import Claims
from curate.captions.checking.image_evidence import ImageEvidence
from curate.captions.checking.lexicon import Lexicon, Mention
from curate.captions.checking.matching import plain_words
from curate.captions.checking.positions import PLACE
from curate.captions.checking.words import quotes
from curate.captions.choices import Choices
from curate.captions.pairing.change import Change, apply
from curate.captions.pairing.wording import (
    ARTICLE,
    COLOURS,
    NUMBER_WORDS,
    OPPOSITES,
    SIGNS,
    article,
    is_plural,
    like,
    plural,
)

__all__ = ["make_edit"]

# Words that lead to a quotation and may go with it: "a sign that reads ...", "a shop called ...".
LEAD: Final = re.compile(
    r"(?P<comma>,?)\s{0,2}(?:(?:that|which)\s(?:reads?|says?|spells?)|reading|saying|spelling|labell?ed|marked|"
    r"numbered|titled|called|named|(?:with|bearing|showing|displaying|having)\sthe\s(?:text|words?|inscription|"
    r"letters|lettering|label|title|name|number))[:,]?\s{0,2}$",
    re.IGNORECASE,
)
# Verbs that the sentence cannot do without: "a sign reads ...".
VERB: Final = re.compile(r"\b(?P<verb>reads?|says?|spells?)[:,]?\s{0,2}$", re.IGNORECASE)
REACH: Final = 40  # characters before a quotation in which its lead stands
THERE: Final = (
    "There is also {}.",
    "{} can be seen as well.",
    "In addition there is {}.",
    "{} is in the picture, too.",
)
# A noun that one of these follows is no subject: "a dog" may become "two dogs" without a verb that no longer agrees.
LOOSE: Final = re.compile(r"\s*(?:[,.;:)]|$|(?:and|or|on|in|at|with|near|beside|under|behind|against|by)\b)")
SENTENCE_END: Final = re.compile(r"[.!?](?=\s|$)")


def make_edit(kind: str, text: str, image: ImageEvidence, choices: Choices) -> list[Change] | None:
    """Return the changes of one kind, or None where the text or the evidence allows none.

    Candidates are tried in an order that `choices` decides, until one measures worse than the text.
    """
    before = image.score(text)
    for changes in EDITS[kind](_Case(text, image, choices)):
        if kind == "wrong_attribute":
            return changes
        after = image.score(apply(text, changes))
        if before is not None and after is not None and after < before:
            return changes
    return None


@dataclass(frozen=True)
class _Case:
    """A text, the evidence of its image, and what chance decides."""

    text: str
    image: ImageEvidence
    choices: Choices

    @property
    def lexicon(self) -> Lexicon:
        return self.image.evidence.lexicon

    @functools.cached_property
    def mentions(self) -> list[Mention]:
        return self.lexicon.mentions(self.text)

    @functools.cached_property
    def claims(self) -> Claims:
        return self.image.claims(self.text)

    def shuffled(self, what: str, items: Iterable[Any]) -> list[Any]:
        return sorted(items, key=lambda item: self.choices.fraction(f"{what} {item}"))

    def absent(self) -> list[str]:
        """Return classes that are not there as far as detectors know, nor in the text, and whose name is a singular."""
        named = {mention.label for mention in self.mentions}
        names = [label for label, _ in self.lexicon.labels if label not in named and self.image.is_absent(label)]
        return [name for name in names if not name.endswith("s") or name.endswith(("ss", "us"))]

    def change(self, start: int, end: int, after: str) -> Change:
        return Change(start, end, self.text[start:end], after)


def _added_object(case: _Case) -> list[list[Change]]:
    """Add a sentence that names a class that is not there, after the last one that names any."""
    if case.image.objects is None:
        return []
    last = max((mention.end for mention in case.mentions), default=0)
    end = next((m.end() for m in SENTENCE_END.finditer(case.text, last)), len(case.text.rstrip()))
    stop = "" if SENTENCE_END.match(case.text, end - 1) else "."
    form = THERE[case.choices.index("added wording", len(THERE))]
    candidates = []
    for name in case.shuffled("added", case.absent())[:3]:
        sentence = form.format(article(name))
        candidates.append([case.change(end, end, f"{stop} {sentence[0].upper()}{sentence[1:]}")])
    return candidates


def _swapped_object(case: _Case) -> list[list[Change]]:
    """Call a class that is there by the name of one that is not, wherever it is named."""
    there = [label for label in case.claims.supported if label in case.image.certain]
    absent = case.shuffled("swapped for", case.absent())
    candidates = []
    for label, other in zip(case.shuffled("swapped", there), absent, strict=False):
        own = [mention for mention in case.mentions if mention.label == label]
        changes = [_renamed(case, mention, other) for mention in own]
        after = case.lexicon.mentions(apply(case.text, changes))
        if label not in {mention.label for mention in after} and other in {mention.label for mention in after}:
            candidates.append(changes)
    return candidates


def _renamed(case: _Case, mention: Mention, other: str) -> Change:
    surface = case.text[mention.start : mention.end]
    if is_plural(case.lexicon, mention.label, surface):
        return case.change(mention.start, mention.end, like(surface, plural(case.lexicon, other)))
    start = mention.start
    word = ARTICLE.search(case.text, 0, start)
    if word is None:
        return case.change(start, mention.end, like(surface, other))
    return case.change(word.start(), mention.end, like(word.group(), article(other)))


def _missing_text(case: _Case) -> list[list[Change]]:
    """Leave out a text of the image, with the words that lead to it; "reads ..." becomes "bears some text"."""
    candidates = []
    for start, end, _ in case.shuffled("missing", _read(case)):
        lead = LEAD.search(case.text, max(0, start - REACH), start)
        verb = VERB.search(case.text, max(0, start - REACH), start)
        if lead:
            both = lead["comma"] and case.text[end : end + 1] == ","
            candidates.append([case.change(lead.start(), end + bool(both), "")])
        elif verb:
            bear = "bears" if verb["verb"].casefold().endswith("s") else "bear"
            candidates.append([case.change(verb.start(), end, f"{bear} some text")])
        else:
            first = not case.text[:start].strip() or case.text[:start].rstrip()[-1] in ".!?"
            candidates.append([case.change(start, end, "Some text" if first else "some text")])
    return candidates


def _changed_text(case: _Case) -> list[list[Change]]:
    """Write another word where the image has a text."""
    texts = {quoted for _, _, quoted in _read(case)}
    lines = {word.casefold() for line in case.image.lines or () for word in re.findall(r"\w+", line["text"] or "")}
    candidates = []
    for quoted in case.shuffled("changed", sorted(texts)):
        words = list(re.finditer(r"[A-Za-z]{2,}|\d+", quoted))
        spare = [word for word in case.shuffled("sign", SIGNS) if word not in lines]
        for word in case.shuffled("changed word", words)[:2]:
            other = _other_word(word.group(), spare)
            fresh = quoted[: word.start()] + other + quoted[word.end() :]
            candidates.append(
                [
                    case.change(start, end, case.text[start:end].replace(quoted, fresh))
                    for start, end, again in quotes(case.text)
                    if again == quoted
                ]
            )
    return candidates


def _other_word(word: str, spare: Sequence[str]) -> str:
    if word.isdigit():
        return "".join(str((int(digit) + 3) % 10) if digit.isascii() else digit for digit in word)
    return like(word, spare[0])


def _wrong_count(case: _Case) -> list[list[Change]]:
    """Say another number of a class whose number the detector bears out."""
    right = {claim.label: claim.said for claim in case.claims.right_counts if claim.said}
    candidates = []
    for label in case.shuffled("count", [name for name, said in right.items() if case.image.certain.get(name) == said]):
        number = right[label]
        own = [m for m in case.mentions if m.label == label and m.count == number]
        others = [n for n in range(max(2, number - 2), number + 3) if n != number]
        other = others[case.choices.index(f"count of {label}", len(others))]
        changes = [change for mention in own if (change := _recounted(case, mention, number, other))]
        if changes and (number > 1 or len(changes) == 1):
            candidates.append(changes)
    return candidates


def _recounted(case: _Case, mention: Mention, number: int, other: int) -> Change | None:
    words = list(re.finditer(r"\w+", case.text[max(0, mention.start - 80) : mention.start]))[-5:]
    offset = max(0, mention.start - 80)
    values = {word: i for i, word in enumerate(NUMBER_WORDS)} | {str(i): i for i in range(1, 100)}
    if number == 1:
        values |= {"a": 1, "an": 1}
    word = next((m for m in reversed(words) if values.get(m.group().casefold()) == number), None)
    if word is None:
        return None
    start, end = word.start() + offset, word.end() + offset
    spelt = not word.group().isdigit() and other < len(NUMBER_WORDS)
    written = like(word.group(), NUMBER_WORDS[other]) if spelt else str(other)
    if number > 1:
        return case.change(start, end, written)
    if case.text[end : mention.start].strip().count(" ") > 1 or not LOOSE.match(case.text, mention.end):
        return None
    surface = case.text[mention.start : mention.end]
    if surface.casefold() != mention.label:
        return None
    return case.change(
        start, mention.end, written + case.text[end : mention.start] + plural(case.lexicon, mention.label)
    )


def _wrong_attribute(case: _Case) -> list[list[Change]]:
    """Change a colour that the caption gives to a thing, wherever it says it of that thing."""
    quoted = [(start, end) for start, end, _ in quotes(case.text)]
    names = "|".join(COLOURS)
    hits = [
        hit
        for hit in re.finditer(
            rf"\b(?P<colour>{names}) (?!and\b|or\b|is\b|in\b|on\b)(?P<noun>[A-Za-z]+)", case.text, re.I
        )
        if not any(start <= hit.start() < end for start, end in quoted)
        and not re.search(r"(?:\band|-)\s?$", case.text[: hit.start()])
    ]
    there = {word.casefold() for word in re.findall(rf"\b(?:{names})\b", case.text, re.I)}
    candidates = []
    for phrase in case.shuffled("attribute", sorted({hit.group().casefold() for hit in hits})):
        colour = phrase.partition(" ")[0]
        others = [c for c in COLOURS if c not in there and c not in COLOURS[colour]]
        if others:
            other = others[case.choices.index(f"colour of {phrase}", len(others))]
            own = [hit for hit in hits if hit.group().casefold() == phrase]
            candidates.append([_recoloured(case, hit, other) for hit in own])
    return candidates


def _recoloured(case: _Case, hit: re.Match[str], other: str) -> Change:
    word, start, end = ARTICLE.search(case.text, 0, hit.start()), hit.start("colour"), hit.end("colour")
    if word is None:
        return case.change(start, end, like(hit.group("colour"), other))
    return case.change(word.start(), end, like(word.group(), article(other)))


def _wrong_position(case: _Case) -> list[list[Change]]:
    """Say the opposite of where a thing is, where the detector bears out that it is there."""
    right, wrong = len(case.claims.right_places), len(case.claims.wrong_places)
    candidates = []
    for place in case.shuffled("position", PLACE.finditer(case.text) if right else ()):
        for word in re.finditer("|".join(rf"\b{word}\b" for word in OPPOSITES), place.group(), re.IGNORECASE):
            start = place.start() + word.start()
            other = like(word.group(), OPPOSITES[word.group().casefold()])
            changes = [case.change(start, place.start() + word.end(), other)]
            after = case.image.claims(apply(case.text, changes))
            if len(after.right_places) < right and len(after.wrong_places) > wrong:
                candidates.append(changes)
    return candidates


def _read(case: _Case) -> list[tuple[int, int, str]]:
    """Return the quotations that stand in the image, letter by letter, in lines that the OCR is sure of."""
    image, exact = case.image, replace(case.image.evidence, min_similarity=1.0)
    certain = [line for line in image.lines or () if (line["score"] or 0) >= image.evidence.sure_line_score]
    supported = {tuple(plain_words(text)) for text in exact.measure(case.text, None, certain).supported_texts}
    return [quote for quote in quotes(case.text) if tuple(plain_words(quote[2])) in supported]


EDITS: Final[dict[str, Callable[[_Case], list[list[Change]]]]] = {
    "added_object": _added_object,
    "changed_text": _changed_text,
    "missing_text": _missing_text,
    "swapped_object": _swapped_object,
    "wrong_attribute": _wrong_attribute,
    "wrong_count": _wrong_count,
    "wrong_position": _wrong_position,
}
