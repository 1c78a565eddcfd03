"""How many tokens a text will cost, without a tokenizer."""

import math
import re
from typing import Final

__all__ = ["estimate_tokens"]

# Letters per token by script, about the worst of the tokenizers measured in docs/prompts.md. A digit is a token, as
# in Qwen and Tekken; so is a mark, and a blank that no word takes up.
PIECE: Final = re.compile(
    r"(?P<latin>[A-Za-z]+)|(?P<digit>\d)|(?P<newline>\n+)|(?P<blank>[ \t]+(?![A-Za-z]))|(?P<space>\s)"
    r"|(?P<han>[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af])"
    r"|(?P<script>[\u00c0-\u1fff\u2c00-\u2dff\ua640-\ua7ff]+)|(?P<mark>[!-/:-@\[-`{-~\u2010-\u2027\u2039\u203a\u00a6])|(?P<other>.)",
    re.DOTALL,
)
LATIN_LETTERS, SCRIPT_LETTERS = 6, 2.5


def estimate_tokens(text: str) -> int:
    """Return about how many tokens a text takes; the same on every machine, and rarely too few (see docs/prompts.md).

    >>> estimate_tokens(""), estimate_tokens("two dogs on the beach"), estimate_tokens("- dog: [0.100, 0.250]")
    (0, 5, 18)
    """
    return sum(_cost(piece.lastgroup or "", piece[0]) for piece in PIECE.finditer(text))


def _cost(kind: str, piece: str) -> int:
    if kind == "latin":
        return math.ceil(len(piece) / LATIN_LETTERS)
    if kind == "script":
        return math.ceil(len(piece) / SCRIPT_LETTERS)
    if kind == "space":
        return 0
    return 2 if kind == "other" else 1
