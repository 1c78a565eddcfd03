"""The words of a text, where they stand, and which of them are quoted."""

import re
from typing import Final, TypeAlias

__all__ = ["Token", "joined", "quotes", "split_tokens"]

Token: TypeAlias = tuple[str, int, int]
"""A word without case, its start and its end in characters."""

WORD: Final = re.compile(r"[^\W_]+")
# A straight apostrophe quotes only where no letter stands outside it: "dog's" and "dogs'" are no quotations.
QUOTE: Final = re.compile(
    r'(?<![0-9A-Za-z])"([^"\n]{1,400})"|\u201c([^\u201c\u201d\n]{1,400})\u201d|\u201e([^\u201c\u201d\u201e\n]{1,400})[\u201c\u201d]|'
    r"\u00ab([^\u00ab\u00bb\n]{1,400})\u00bb|\u300c([^\u300c\u300d\n]{1,400})\u300d|"
    r"(?<!\w)\u2018([^\u2018\n]{1,200}?)\u2019(?!\w)|(?<!\w)'(?=\S)([^'\n]{1,200}?)(?<=\S)'(?!\w)"
)


def quotes(text: str) -> list[tuple[int, int, str]]:
    r"""Return start, end and content of each quotation, the marks outside of content but inside of start and end.

    >>> quotes('The dog\'s sign reads "STOP" or “GO”.')
    [(21, 27, 'STOP'), (31, 35, 'GO')]
    """
    return [(m.start(), m.end(), next(g for g in m.groups() if g is not None)) for m in QUOTE.finditer(text)]


def split_tokens(text: str) -> list[Token]:
    """Return the runs of letters and digits, without case, and where they stand."""
    return [(m.group().casefold(), m.start(), m.end()) for m in WORD.finditer(text)]


def joined(tokens: list[Token], at: int, text: str) -> bool:
    """Tell whether only blanks or one hyphen part a token from the one before."""
    return text[tokens[at - 1][2] : tokens[at][1]].strip() in ("", "-")
