"""How many objects of a class a text claims, as the least and the most that it may mean."""

import math
import re
from collections.abc import Sequence
from typing import Final

from curate.captions.checking.lexicon import Lexicon, Mention
from curate.captions.checking.positions import Position

__all__ = ["said_counts"]

NEAR: Final = 30  # characters before a mention in which such a word is looked for
MORE: Final = re.compile(
    r"\b(?:another|other|second|third|fourth|fifth|additional|more)\s+(?:\w+\s+){0,3}$", re.IGNORECASE
)
KNOWN: Final = re.compile(r"\b(?:the|these|those|both|all|its|his|her|their)\s+(?:\w+\s+){0,3}$", re.IGNORECASE)


def said_counts(
    text: str, mentions: Sequence[Mention], places: Sequence[Position], lexicon: Lexicon
) -> dict[str, tuple[int, float]]:
    """Return, for each class of which a text says a number, the least and the most objects that it may mean.

    Words are counted apart ("two people, a man and a woman" are two to four). Of one word: "two dogs ... two dogs" are
    the same two, "two dogs ... three dogs" may be five, "a second dog" is one more, and "a dog ... a dog" may be one
    or two, unless a place tells: what was first named without one is then the one in the first place. A plural without
    a number ("people walk by") has no upper end, unless it is known ("the people"). 0: all mentions deny the class.

    >>> from curate.captions.checking.lexicon import read_lexicon
    >>> coco, text = read_lexicon("coco80"), "Two dogs, a puppy and another puppy. No cats; people."
    >>> said_counts(text, coco.mentions(text), [], coco)
    {'dog': (2, 4), 'cat': (0, 0)}
    """
    where = {place.mention: place.words for place in places}
    groups: dict[str, dict[str, list[int]]] = {}
    for i, mention in enumerate(mentions):
        word = lexicon.singular(text[mention.start : mention.end])
        groups.setdefault(mention.label, {}).setdefault(word, []).append(i)
    counts = {}
    for label, words in groups.items():
        numbers = [mentions[i].count for own in words.values() for i in own]
        if all(number == 0 for number in numbers):
            counts[label] = (0, 0.0)
        elif any(numbers):
            ranges = [_range(text, [(i, mentions[i]) for i in own], where, lexicon) for own in words.values()]
            counts[label] = (max(low for low, _ in ranges), sum(high for _, high in ranges))
    return {label: (low, high if math.isinf(high) else int(high)) for label, (low, high) in counts.items()}


def _range(text: str, own: Sequence[tuple[int, Mention]], where: dict[int, str], lexicon: Lexicon) -> tuple[int, float]:
    """Return the least and the most objects that one word claims."""
    more = [i for i, mention in own if mention.count == 1 and MORE.search(_before(text, mention))]
    groups = {mention.count for _, mention in own if mention.count is not None and mention.count > 1}
    singles = [i for i, mention in own if mention.count == 1 and i not in more]
    first = next((n for n, i in enumerate(singles) if i in where), 0)
    ones = len({where[i] for i in singles if i in where}) + sum(i not in where for i in singles[first:])
    low = max([*groups, 1 if singles or more else 0]) + len(more)
    high: float = sum(groups) + ones + len(more)
    if any(mention.count is None and _is_open(text, mention, lexicon) for _, mention in own):
        return low, math.inf
    return low, max(low, high, 1)


def _is_open(text: str, mention: Mention, lexicon: Lexicon) -> bool:
    """Tell whether a mention without a number may be of any number of others: "dogs", not "the dogs" or "dog"."""
    is_plural = lexicon.is_plural(text[mention.start : mention.end]) is not False
    return is_plural and not KNOWN.search(_before(text, mention))


def _before(text: str, mention: Mention) -> str:
    return text[max(0, mention.start - NEAR) : mention.start]
