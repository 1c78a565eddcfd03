"""Make one caption of the caption of a whole image and those of its tiles, with or without a model."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from curate.captions.prompting.untrusted import neutral
from curate.captions.viewing.tiles import Tile

__all__ = ["Part", "join_captions", "quote_captions"]

ENDS: Final = re.compile(r"(?<=[.!?])\s+|(?<=[\u3002\uff01\uff1f])")
QUOTED: Final = re.compile(r'["\u201c]([^"\u201d]*)["\u201d]')
QUOTED_CHARACTERS: Final = 120  # as long as a line of text may be in the hints
SENTENCE_MARKS: Final = ".!?\"'\u201d\u3002\uff01\uff1f"
# A tile that lacks a thing says nothing about the image, and a global view misses what is small.
ABSENCE: Final = re.compile(
    r"\b(?:no|not|none|nothing|neither|nor|never|without|cannot)\b|n['\u2019]t\b", re.IGNORECASE
)
# Words that tell no thing: grammar, places in a frame (a tile's are not the image's), numbers, sizes, the image.
PLAIN_WORDS: Final = frozenset(
    """
    above all also and another appear appears are background behind below beside between big both bottom but can
    center centre contains corner each edge eight five for foreground four frame from front has have image into
    its large larger left lower many medium middle near next nine object objects one only onto other over overall
    part photo photograph picture placed reads right says scene seen seven several show showing shows side sign
    six small smaller some ten text than that the there these thing things this those three tile tiny top total
    two under upper very view visible was where which while who whose with
    """.split()  # noqa: SIM905 (a list of a hundred quotes cannot be read)
)


@dataclass(frozen=True, slots=True)
class Part:
    """What a model said of one tile, and the hints it had been given."""

    tile: Tile
    text: str
    hints: str = ""


def quote_captions(parts: Sequence[Part], characters: int) -> str:
    r"""Return the captions of tiles as a block of a prompt: quoted, each on a line, cut to so many characters.

    >>> quote_captions([Part(Tile(1, 2, 1, 2), 'A shop. Its sign reads "OPEN".')], 60)
    'Close-ups of parts:\n- part 2 of 2 (middle right): "A shop. Its sign reads \'OPEN\'."'
    """
    lines = [
        f'- {part.tile.tag("part {number} of {tiles} ({place})")}: "{neutral(part.text, characters)}"' for part in parts
    ]
    return "\n".join(["Close-ups of parts:", *lines])


def join_captions(whole: str, parts: Sequence[Part], *, agreed: bool = False) -> str:
    """Return the caption of the whole image, then per tile the sentences that tell something not yet told.

    A sentence tells something new if it has a content word (three letters, plural folded, no word of grammar, place,
    number or size) or a quoted word that no sentence before has. With `agreed` such a word must also be in the hints of
    the tile, or in what was said of a tile of the other grid that overlaps it (of the whole image it is not, or it
    would not be new). Sentences about what is absent are left out, the whole image's too if any tile told something
    new: a scale at which a thing is not seen proves nothing. An unfinished last sentence of a tile is left out, and
    so is one whose quotation does not end.
    Source: DC2 keeps an object only if child and parent patches agree (Wang et al. 2024, arXiv 2408.15556); the rest is
    ours. Left out: counts (two tiles that share a thing both count it), contradictions between scales (a colour, a
    name that a tile reads better), relations between things of different tiles, languages other than English.

    >>> near = Part(Tile(1, 1, 1, 2), "A dog is in the centre. A red kite flies on the left. There are no people.")
    >>> join_captions("A dog on a beach.", [near])
    'A dog on a beach. In the middle left part: A red kite flies on the left.'
    """
    sentences = [each for each in _sentences(whole) if not _tells_absence(each)]
    words = _words(" ".join(sentences))
    parts_said: list[str] = []
    for part in parts:
        evidence = _evidence(part, parts) if agreed else None
        fresh = []
        for sentence in _finished(part.text):
            news = _words(sentence) - words
            if _tells_absence(sentence) or not news or (evidence is not None and news.isdisjoint(evidence)):
                continue
            fresh.append(sentence)
            words |= news
        if fresh:
            parts_said.append(f"In the {part.tile.place} part: {' '.join(fresh)}")
    if not parts_said:
        return whole
    return " ".join([*sentences, *parts_said])


def _sentences(text: str) -> list[str]:
    """Return the sentences of a caption whose quotations end: one that does not would swallow what comes after it."""
    return [piece for piece in _pieces(text) if piece.count('"') % 2 == 0]


def _finished(text: str) -> list[str]:
    """Return the sentences of a tile's caption but for a last one that was cut short; an only one needs no end."""
    whole = _sentences(text)
    return whole[:-1] if len(whole) > 1 and whole[-1][-1] not in SENTENCE_MARKS else whole


def _pieces(text: str) -> list[str]:
    """Split a text into sentences; one that ends within a short quotation goes on after it."""
    waiting = [part.strip() for part in ENDS.split(text.strip()) if part.strip()]
    pieces: list[str] = []
    while waiting:
        piece = waiting.pop(0)
        if piece.count('"') % 2 and waiting and 0 <= " ".join(waiting).find('"') < QUOTED_CHARACTERS:
            while piece.count('"') % 2 and waiting:
                piece = f"{piece} {waiting.pop(0)}"
        pieces.append(piece)
    return pieces


def _tells_absence(sentence: str) -> bool:
    return ABSENCE.search(QUOTED.sub(" ", sentence)) is not None


def _evidence(part: Part, parts: Sequence[Part]) -> set[str]:
    """Return the words that speak for a tile: of its hints, quoted or not, and of the other grid's tiles over it."""
    words = _words(part.hints) | {f'"{word}' for word in _plain(part.hints)}
    for other in parts:
        if other.tile.grid != part.tile.grid and other.tile.overlaps(part.tile):
            words |= _words(other.text)
    return words


def _words(text: str) -> set[str]:
    """Return content words, and every quoted word with its quotation mark: "stop" is news, stop is not the same."""
    quoted = {f'"{word}' for quote in QUOTED.findall(text) for word in _plain(quote)}
    return quoted | {
        _singular(word) for word in _plain(QUOTED.sub(" ", text)) if len(word) > 2 and word not in PLAIN_WORDS
    }


def _plain(text: str) -> list[str]:
    return re.findall(r"[^\W_]+", text.casefold())


def _singular(word: str) -> str:
    """Fold most plurals to what their singular becomes; one that is missed is told twice."""
    if word.endswith("ies"):
        return word[:-3] + "y"
    return word[:-2] if word.endswith(("ches", "shes", "sses", "xes", "zes")) else word.rstrip("s")
