"""Where a caption says that things are: the words of a nine-way grid, and the object they are about."""

import re
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from curate.captions.boxes import Box, centre
from curate.captions.checking.lexicon import Mention
from curate.captions.checking.words import quotes

__all__ = ["Position", "positions"]

FRAME: Final = "image|picture|photo|photograph|frame|scene|shot|view|composition|canvas"
SIDE: Final = "side|corner|edge|part|area|section|third|half|portion|region|quadrant"
WORD: Final = "top|upper|bottom|lower|middle|cent(?:re|er|ral)|left|right"
# "to the left" alone is about another thing; so is "in the middle of a field". A noun may follow only if it is a part
# of the image: "in the left lane" and "on the top shelf" say nothing about the grid.
PLACE: Final = re.compile(
    rf"\b(?P<how>in|on|at|near|towards?|along|to)\s(?P<the>the\s)?(?:(?:far|very|extreme)\s)?"
    rf"(?P<first>{WORD})(?:[\s-](?P<second>{WORD}))?(?:-hand|\shand)?(?P<side>\s(?:{SIDE}))?"
    rf"(?P<frame>\sof\s(?:the|this)\s(?:{FRAME})\b)?"
    r"(?=\W*$|\s*[.,;:!?)]|\s(?:and|are|can|is|or|reads?|says?|shows?|sits?|stands?|there|we|while|with|a|an|two)\b)",
    re.IGNORECASE,
)
SENTENCE: Final = re.compile(r"[^.!?\n\u3002]+")
NEW_NOUN: Final = re.compile(
    r"\b(?:an?|another|the|two|three|four|five|its|his|her|their)\s+(?P<noun>(?:\w+\s+){0,2}?\w+)", re.I
)
ONE: Final = re.compile(r"^(?:\w+\s+){0,2}ones?\b", re.IGNORECASE)
FAR: Final = 200  # characters between an object and its place
HALF: Final = 0.5  # "left" alone is the left half


@dataclass(frozen=True, slots=True)
class Position:
    """One claim of place: `words` in the grid's own spelling, about the mention of that index.

    `column` and `row` are 0, 1 or 2 of three, null where unsaid: "left" is column 0, "centre" column 1 and row 1.
    """

    mention: int
    words: str
    column: int | None
    row: int | None

    def fits(self, box: Box, slack: float) -> bool:
        """Tell whether the centre of a box (fractions) lies there; thirds are wider by `slack` on both sides."""
        x, y = centre(box)
        alone = self.column is None or self.row is None
        return _fits(self.column, x, slack, alone) and _fits(self.row, y, slack, alone)


def positions(text: str, mentions: Sequence[Mention]) -> list[Position]:
    """Return the places that a text gives its mentions, in order.

    A place belongs to the last mention before it in the sentence, unless another noun stands between ("a dog beside a
    sign in the top left"); one at the start of a sentence to the first mention after it. Others are passed over.
    """
    plain = _without(text, [(start, end) for start, end, _ in quotes(text)])
    matches = list(PLACE.finditer(plain))
    bare = _without(plain, [match.span() for match in matches])
    starts = [sentence.start() for sentence in SENTENCE.finditer(plain)]
    inside: dict[int, list[tuple[int, Mention]]] = {}
    for i, mention in enumerate(mentions):
        inside.setdefault(bisect_right(starts, mention.start), []).append((i, mention))
    claims = []
    for match in matches:
        sentence = bisect_right(starts, match.start())
        place = _place(match) if sentence in inside else None
        owner = _owner(bare, match, inside[sentence], starts[sentence - 1]) if place else None
        if place and owner is not None:
            claims.append(Position(owner, *place))
    return claims


def _without(text: str, spans: Sequence[tuple[int, int]]) -> str:
    """Return the text with blanks in the place of some spans."""
    parts, at = [], 0
    for start, end in spans:
        parts += [text[at:start], " " * (end - start)]
        at = end
    return "".join([*parts, text[at:]])


def _place(match: re.Match[str]) -> tuple[str, int | None, int | None] | None:
    """Return words, column and row; None where the words are not about the image."""
    words = [word.lower() for word in match.group("first", "second") if word]
    if match["how"].lower() == "to" and not match["frame"]:
        return None
    if len(words) == 1 and (not match["the"] or (words[0] in ("upper", "lower", "central") and not match["side"])):
        return None
    column = next((side for word, side in (("left", 0), ("right", 2)) if word in words), None)
    row = 0 if {"top", "upper"} & set(words) else 2 if {"bottom", "lower"} & set(words) else None
    if any(word.startswith(("middle", "cent")) for word in words):
        column, row = (1 if column is None else column), (1 if row is None else row)
    if len(words) == 2 and (column is None or row is None):  # "top bottom"
        return None
    return _spell(column, row), column, row


def _spell(column: int | None, row: int | None) -> str:
    if column == row == 1:
        return "centre"
    rows, columns = ("top", "middle", "bottom"), ("left", "centre", "right")
    return " ".join(([rows[row]] if row is not None else []) + ([columns[column]] if column is not None else []))


def _owner(text: str, place: re.Match[str], inside: list[tuple[int, Mention]], start: int) -> int | None:
    before = bisect_left(inside, place.start(), key=lambda pair: pair[1].start)
    if before:
        index, mention = inside[before - 1]
        between = text[mention.end : place.start()]
        return None if len(between) > FAR or _names_another(between) else index
    index, mention = inside[0]
    opens = not text[start : place.start()].strip(" ,")
    between = text[place.end() : mention.start]
    return index if opens and len(between.split()) <= 8 and len(NEW_NOUN.findall(between + "x")) <= 1 else None


def _names_another(between: str) -> bool:
    """Tell whether a noun phrase other than "a small one" begins in the words."""
    return any(not ONE.match(match["noun"] + between[match.end() :]) for match in NEW_NOUN.finditer(between))


def _fits(third: int | None, centre: float, slack: float, alone: bool) -> bool:
    if third is None:
        return True
    if alone and third != 1:
        return centre <= HALF + slack if third == 0 else centre >= HALF - slack
    return third / 3 - slack <= centre <= (third + 1) / 3 + slack
