"""Mark the claims of a caption: supported, contradicted or unjudged."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

__all__ = ["Piece", "marked"]


@dataclass(frozen=True, slots=True)
class Piece:
    """A piece of a caption; `verdict` is null where it claims nothing that was judged."""

    text: str
    verdict: str | None = None


def marked(text: str, verdicts: Sequence[Mapping[str, Any]] | None) -> list[Piece]:
    """Return a text in pieces, each claim found in it with its verdict; together they are the text.

    Where claims overlap the longer one counts. A claim whose words are not in the text (a class that it paraphrases) is
    not marked.

    >>> marked("A red dog.", [{"claim": "dog", "verdict": "supported"}])
    [Piece(text='A red ', verdict=None), Piece(text='dog', verdict='supported'), Piece(text='.', verdict=None)]
    """
    known = {str(each["claim"]).lower(): str(each["verdict"]) for each in verdicts or () if each["claim"]}
    if not known:
        return [Piece(text)]
    words = sorted(known, key=lambda claim: (-len(claim), claim))
    pattern = re.compile(rf"(?<!\w)({'|'.join(map(re.escape, words))})(?:es|s)?(?!\w)", re.IGNORECASE)
    pieces, end = [], 0
    for match in pattern.finditer(text):
        pieces += [Piece(text[end : match.start()])] if match.start() > end else []
        pieces.append(Piece(match[0], known[match[1].lower()]))
        end = match.end()
    return [*pieces, Piece(text[end:])] if end < len(text) else pieces
