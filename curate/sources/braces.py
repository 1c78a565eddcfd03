"""Brace patterns as WebDataset writes them: `{00000..00012}` and `{train,val}`."""

import itertools
import re
from collections.abc import Sequence
from typing import Final

from curate.errors import PlanError

__all__ = ["expand_braces"]

BRACE: Final = re.compile(r"\{([^{}]*(?:,|\d\.\.\d)[^{}]*)\}")
RANGE: Final = re.compile(r"(\d+)\.\.(\d+)")
MOST: Final = 10_000_000


def expand_braces(pattern: str) -> list[str]:
    """Return what a pattern with any number of braces stands for, in order; numbers keep their zero padding.

    >>> expand_braces("s3://b/{train,val}/{08..10}.tar")[:3]
    ['s3://b/train/08.tar', 's3://b/train/09.tar', 's3://b/train/10.tar']
    >>> expand_braces("plain.tar")
    ['plain.tar']
    """
    pieces = BRACE.split(pattern)  # literal, body, literal, body, ..., literal
    choices = [_choices(piece, pattern) if i % 2 else [piece] for i, piece in enumerate(pieces)]
    total = 1
    for choice in choices:
        total *= len(choice)
    if total > MOST:
        raise PlanError(f"pattern {pattern} stands for {total} files; the limit is {MOST}")
    return ["".join(parts) for parts in itertools.product(*choices)]


def _choices(body: str, pattern: str) -> Sequence[str]:
    span = RANGE.fullmatch(body)
    if span is None:
        return body.split(",")
    first, last = int(span[1]), int(span[2])
    if first > last:
        raise PlanError(f"pattern {pattern}: the range {{{body}}} runs backwards; write {{{span[2]}..{span[1]}}}")
    if last - first >= MOST:
        raise PlanError(f"pattern {pattern} stands for {last - first + 1} files; the limit is {MOST}")
    width = max(len(span[1]), len(span[2])) if "0" in (span[1][0], span[2][0]) else 0
    return [str(number).zfill(width) for number in range(first, last + 1)]
