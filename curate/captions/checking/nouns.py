"""Find the nouns of a text that no lexicon holds: what else it claims to be there."""

import re
from collections.abc import Sequence
from typing import Final

from curate.captions.checking.common_words import ARTICLES, BEFORE, EMPTY_WORDS, kind_of, names_more, phrase_opens
from curate.captions.checking.lexicon import Mention
from curate.captions.checking.numbers import NUMBERS, count_before, still_denied
from curate.captions.checking.words import Token, joined, quotes, split_tokens

__all__ = ["find_nouns", "heads"]

SUBJECTS_TEXT: Final = "to can could will would may might must not they he she it who which"
SUBJECTS: Final = frozenset(SUBJECTS_TEXT.split())
ABSTRACT: Final = re.compile(
    r"(?:tion|sion|ness|ity|ment|ance|ence|ism|ship|hood|dom|ing|ed|ly|ous|ful|less|able|ible|ish|ive|al|ic|ical|ary|"
    r"ant|ent|est|ier|ward|wards|wise|like|y)$"
)
LONGEST: Final = 30  # letters of a word that can be a noun


def find_nouns(text: str, mentions: Sequence[Mention]) -> list[Mention]:
    """Return mentions of things that are not among `mentions`, in order; their label is the noun in the singular.

    A noun is the last word of its phrase: "window sill" is one, labelled so, and "a stone wall" is a wall. Common words
    are nouns by a list (`common_words`), others where an article or preposition says so, unless they have a capital
    or end like adjectives and abstract nouns do. Words for the picture and its parts, and denied nouns, are no claims.
    Takes time in proportion to the text.

    >>> [(noun.label, noun.count) for noun in find_nouns("Two quokkas on a window sill, under heavy clouds.", [])]
    [('quokka', 2), ('window sill', 1), ('cloud', None)]
    """
    tokens = split_tokens(text)
    taken = _covered(tokens, [(one.start, one.end) for one in mentions] + [(a, b) for a, b, _ in quotes(text)])
    found: list[Mention] = []
    denied_to, last = -1, -1
    for at in range(len(tokens)):
        if taken[at]:
            last = at
            continue
        single = _noun(tokens, at, text, taken)
        if single is None:
            continue
        count = count_before(tokens, at, last, text)
        if count is None and denied_to >= 0:
            count = still_denied(text[denied_to : tokens[at][1]])
        denied_to = tokens[at][2] if count == 0 else -1
        first = _first(tokens, at, text, taken)
        words = [tokens[i][0] for i in range(first, at)] + [single]
        last = at
        if count != 0:
            found.append(Mention(" ".join(words), tokens[first][1], tokens[at][2], count))
    return found


def heads(label: str) -> list[str]:
    """Return a noun and what it is a kind of by its words, the narrowest first.

    >>> heads("stone window sill")
    ['stone window sill', 'window sill', 'sill']
    """
    words = label.split(" ")
    return [" ".join(words[i:]) for i in range(len(words))]


def _covered(tokens: list[Token], spans: list[tuple[int, int]]) -> list[bool]:
    """Return for each token whether a span holds its start."""
    ends, at = sorted(spans), 0
    covered = []
    reach = -1
    for _, start, _ in tokens:
        while at < len(ends) and ends[at][0] <= start:
            reach, at = max(reach, ends[at][1]), at + 1
        covered.append(start < reach)
    return covered


def _noun(tokens: list[Token], at: int, text: str, taken: list[bool]) -> str | None:
    """Return the singular of a token that is the last word of a noun phrase for a thing, else None."""
    word, start, _ = tokens[at]
    if not 3 <= len(word) <= LONGEST or not word.isalpha() or word in NUMBERS or word in ARTICLES or word in BEFORE:
        return None
    kind, single = kind_of(word)
    if kind in ("verb", "other") or word in EMPTY_WORDS or single in EMPTY_WORDS:
        return None
    if single == word and _has_more(tokens, at, text, taken):
        return None
    before = tokens[at - 1][0] if at and joined(tokens, at, text) else ""
    if kind == "thing":
        return single
    if kind == "both" and not before:
        return single  # the first word of a sentence is hardly its verb
    if kind == "both":
        return single if not _is_verb(tokens, at, before) and phrase_opens(tokens, at, text, past_nouns=True) else None
    if text[start].isupper():
        return single if single != word and _begins_sentence(text, start) and single.isascii() else None
    if ABSTRACT.search(single) or not single.isascii():
        return None
    return single if phrase_opens(tokens, at, text, past_nouns=True) else None


def _begins_sentence(text: str, start: int) -> bool:
    return text[max(0, start - 3) : start].rstrip()[-1:] in ("", ".", "!", "?")


def _has_more(tokens: list[Token], at: int, text: str, taken: list[bool]) -> bool:
    """Tell whether the next token is a noun that this one only describes: a mention, or a noun outside the lexicon."""
    after = at + 1
    if after >= len(tokens) or text[tokens[at][2] : tokens[after][1]] not in (" ", "-"):
        return False
    return taken[after] or names_more(tokens, at, text)


def _is_verb(tokens: list[Token], at: int, before: str) -> bool:
    """Tell whether a word that may be a verb is one: "a man parks", "the dogs bark", "to paint"."""
    if before in SUBJECTS:
        return True
    if before in ARTICLES or before in BEFORE or before in NUMBERS:
        return False
    word = tokens[at][0]
    is_plural = kind_of(word)[1] != word
    kind, single = kind_of(before) if before else ("other", "")
    return kind in ("thing", "both", None) and (single == before) == is_plural


def _first(tokens: list[Token], at: int, text: str, taken: list[bool]) -> int:
    """Return the token where the nouns of a compound begin; two describing nouns at most."""
    first = at
    while first > max(0, at - 2):
        before = first - 1
        kind, single = kind_of(tokens[before][0])
        is_noun = kind in ("thing", "both") and single == tokens[before][0] and single not in EMPTY_WORDS
        if taken[before] or not is_noun or text[tokens[before][2] : tokens[first][1]] not in (" ", "-"):
            break
        first = before
    return first
