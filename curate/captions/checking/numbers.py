"""How many of a thing the words before it claim."""

import re
from typing import Final

from curate.captions.checking.words import Token, joined

__all__ = ["NUMBERS", "clashes", "count_before", "still_denied"]

COUNTED: Final = (
    "three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen "
    "nineteen twenty"
)
TENS: Final = "thirty forty fifty sixty seventy eighty ninety"
NUMBERS: Final = {
    **dict.fromkeys(("neither", "no", "without", "zero"), 0),
    **dict.fromkeys(("a", "an", "one", "another", "single"), 1),
    **dict.fromkeys(("two", "both", "pair", "couple"), 2),
    **{word: number for number, word in enumerate(COUNTED.split(), 3)},
    "dozen": 12,
    **{word: 10 * number for number, word in enumerate(TENS.split(), 3)},
}
# A number on the far side of one of these belongs to another noun: "two men on a horse", "a plate with apples".
STOP_WORDS: Final = (
    "above across among and are around as at behind below beneath beside between but by can carries carry contain "
    "contains each every few for from has have her his hold holds in include includes into is its like many more "
    "my near next of off on onto or our over past reads says several show shows sit sits some stand stands than "
    "that the their then these this those to toward towards under upon any was wear wears were where which while "
    "who with within your"
)
STOP: Final = frozenset(STOP_WORDS.split())
NEGATIONS: Final = frozenset(("not", "without", "never"))
ABSENCES: Final = frozenset(("absence", "devoid", "empty", "free", "lack"))
WALK: Final = 4  # so many words between a number and its noun: "two very small brown dogs"


def count_before(tokens: list[Token], at: int, last: int, text: str) -> int | None:
    """Return the number that the words before a mention give it; `last` is the token where the one before ends."""
    for back in range(1, WALK + 2):
        here = at - back
        if here <= last or not joined(tokens, here + 1, text):
            return None
        word = tokens[here][0]
        if word == "of" and here - 1 > last:
            before = tokens[here - 1][0]
            return 0 if before in ABSENCES else 2 if before in ("pair", "couple") else None
        number = NUMBERS.get(word, int(word) if word.isascii() and word.isdigit() and len(word) < 4 else None)
        if number is not None:
            return 0 if number == 1 and _negated(tokens, here, text) else _whole(tokens, here, number)
        if word in STOP or word.endswith("ing") or re.search(r"[^su]s$", word):
            return None
    return None


def still_denied(between: str) -> int | None:
    """Return 0 where a denial goes on: "no cars, people or dogs"."""
    return 0 if re.fullmatch(r"\s*(?:,\s*)?(?:or|nor)?\s*", between) else None


def clashes(count: int, is_plural: bool | None) -> bool:
    """Tell whether a number cannot belong to the noun: "a man riding horses"."""
    return (count == 1 and is_plural is True) or (count > 1 and is_plural is False)


def _whole(tokens: list[Token], at: int, number: int) -> int | None:
    """Return the number that ends at a token: 25 for "twenty-five", 6 for "half a dozen"."""
    before = tokens[at - 1][0] if at else ""
    if number == 12 and before == "a" and at > 1 and tokens[at - 2][0] == "half":
        return 6
    tens = NUMBERS.get(before, 0)
    return tens + number if number < 10 and tens >= 20 and tens % 10 == 0 else number


def _negated(tokens: list[Token], at: int, text: str) -> bool:
    if not at:
        return False
    before, _, end = tokens[at - 1]
    return joined(tokens, at, text) and (before in NEGATIONS or text[:end].endswith(("n't", "n\u2019t")))
