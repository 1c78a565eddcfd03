"""Read what an answer says: yes or no, a count, words.

Every reader takes any text and returns None (or nothing) where the text does not say it; none raises.
"""

import re
import unicodedata
from typing import Final

__all__ = [
    "read_count",
    "read_quoted",
    "read_words",
    "read_yes_no",
]

LONGEST = 4_000  # characters of an answer that are read: longer ones are loops
_UNITS: Final = (
    *("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"),
    *("thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen"),
)
_TENS: Final = {
    word: 10 * i
    for i, word in enumerate(("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"), 2)
}
_SMALL: Final = {word: i for i, word in enumerate(_UNITS)} | _TENS
_FIXED: Final = {"pair": 2, "couple": 2, "dozen": 12}
_VAGUE: Final = frozenset(
    ("thousand", "million", "dozens", "hundreds", "thousands", "several", "many", "some", "few", "various")
)
_YES: Final = frozenset(("yes", "yeah", "yep", "true"))
_NO: Final = frozenset(("no", "nope", "false"))


def read_words(text: str) -> list[str]:
    """Return the words of a text in lower case, compatibility forms and marks gone.

    >>> read_words("Don't PARK — here!")
    ["don't", 'park', 'here']
    """
    plain = unicodedata.normalize("NFKC", text[:LONGEST]).replace("\u2019", "'").casefold()
    return re.findall(r"\w+(?:'\w+)*", plain)


def read_yes_no(text: str) -> str | None:
    """Return "yes" or "no": the first word if it is one of them, else the only one of them in the text.

    >>> read_yes_no("Yes, there is no doubt."), read_yes_no("There is no dog."), read_yes_no("Perhaps.")
    ('yes', 'no', None)
    """
    words = read_words(text)
    values = [word in _YES for word in words if word in _YES | _NO]
    if not values or (words[0] not in _YES | _NO and len(set(values)) > 1):
        return None
    return "yes" if values[0] else "no"


def read_count(text: str) -> int | None:
    """Return the one whole number of a text, in digits or English words; two different ones are none.

    Without a number "no" and "none" are 0, "a" and "an" 1; "several" and other vague words are no count.

    >>> [read_count(text) for text in ("There are twenty-one dogs.", "3", "no dogs", "two or three", "many")]
    [21, 3, 0, None, None]
    """
    words = re.findall(r"\d+(?:[.,:]\d+)*\w*|[^\W\d]+", unicodedata.normalize("NFKC", text[:LONGEST]).casefold())
    if not _VAGUE.isdisjoint(words) or any(word[0].isdigit() and not _is_whole(word) for word in words):
        return None
    numbers = set(_numbers(words))
    if numbers:
        return numbers.pop() if len(numbers) == 1 else None
    if not {"no", "none"}.isdisjoint(words):
        return 0
    return 1 if not {"a", "an"}.isdisjoint(words) else None


def _is_whole(word: str) -> bool:
    return re.fullmatch(r"\d{1,9}|\d{1,3}(?:,\d{3}){1,2}", word) is not None


def _numbers(words: list[str]) -> list[int]:
    """Return the numbers of a list of words: "twenty", "one" is 21; "two", "hundred" 200."""
    numbers: list[int] = []
    open_number = False  # may the next word still belong to the last number?
    for word in words:
        if _is_whole(word):
            numbers.append(int(word.replace(",", "")))
            open_number = False
        elif word == "hundred" and open_number and numbers[-1] < 10:
            numbers[-1] *= 100
        elif word in _SMALL:
            value = _SMALL[word]
            if open_number and _continues(numbers[-1], value):
                numbers[-1] += value
            else:
                numbers.append(value)
            open_number = True
        elif word in _FIXED:
            numbers.append(_FIXED[word])
            open_number = False
        elif word != "and" or not open_number or numbers[-1] < 100:
            open_number = False
    return numbers


def _continues(number: int, value: int) -> bool:
    """Tell whether the value of a word belongs to the number before it: twenty one, two hundred five."""
    last = number % 100
    return (last == 0 and number >= 100) or (last in _TENS.values() and 0 < value < 10)


def read_quoted(answer: str) -> str:
    """Return what stands in double quotation marks, joined by blanks.

    >>> read_quoted('It says "OPEN" and “late”.'), read_quoted("open")
    ('OPEN late', '')
    """
    plain = answer.translate({ord(mark): '"' for mark in "\u201c\u201d\u201e\u00ab\u00bb\u300c\u300d\u300e\u300f"})
    return " ".join(plain.split('"')[1::2]).strip()
