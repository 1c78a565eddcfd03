"""Whether a text stands in another, give or take some letters."""

import re
import unicodedata
from collections.abc import Sequence
from typing import Final

__all__ = ["found_in", "least_errors", "plain_words"]

SHORT: Final = 6  # characters; a shorter text must be whole words, or "art" would be found in "cart"
MOST_CHARACTERS: Final = 8000  # that are searched: hostile input stays cheap


def found_in(part: str, whole: str, similarity: float) -> bool:
    """Tell whether a text holds another, give or take some letters, whatever case, accents, blanks and punctuation.

    >>> found_in("NO SWIMMING", "Beach Rules: no swimmlng after dark", 0.8), found_in("art", "a cart", 0.8)
    (True, False)
    """
    letters, words = "".join(plain_words(part)), plain_words(whole[:MOST_CHARACTERS])
    if not letters:
        return True
    if len(letters) < SHORT and letters.isascii():
        return any(_begins(words[i:], letters) for i in range(len(words)))
    if set(plain_words(part)) <= set(words):  # lines may come in another order
        return True
    return least_errors(letters, "".join(words)) <= (1 - similarity) * len(letters) + 1e-9


def least_errors(part: str, whole: str) -> int:
    """Return the least number of letters to insert, drop or change until `part` stands in `whole`.

    Source: Myers 1999, bit-parallel approximate matching; one step a letter of `whole`.
    """
    size = len(part)
    mask, high = (1 << size) - 1, 1 << (size - 1) if size else 0
    places: dict[str, int] = {}
    for i, letter in enumerate(part):
        places[letter] = places.get(letter, 0) | 1 << i
    plus, minus, score, best = mask, 0, size, size
    for letter in whole:
        equal = places.get(letter, 0)
        vertical = equal | minus
        horizontal = (((equal & plus) + plus) ^ plus) | equal
        up, down = minus | (mask & ~(horizontal | plus)), plus & horizontal
        score += bool(up & high) - bool(down & high)
        up, down = up << 1 & mask, down << 1 & mask
        plus, minus = down | (mask & ~(vertical | up)), up & vertical
        best = min(best, score)
    return best


def _begins(words: Sequence[str], wanted: str) -> bool:
    """Tell whether some of the first words, joined, are the wanted text."""
    joined = ""
    for word in words[:SHORT]:
        joined += word
        if len(joined) >= len(wanted):
            return joined == wanted
    return False


def plain_words(text: str) -> list[str]:
    """Return the runs of letters and digits, without case, accents and width.

    >>> plain_words("\u00c9T\u00c9, \uff21\uff22!")
    ['ete', 'ab']
    """
    letters = (letter for letter in unicodedata.normalize("NFKD", text) if not unicodedata.combining(letter))
    return re.findall(r"[^\W_]+", "".join(letters).casefold())
