"""What preference pairs are decided by: kinds drawn by weight, best and worst of candidates, lengths."""

import itertools
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from curate.captions.choices import Choices
from curate.captions.prompting.prompts import Prompt
from curate.captions.text import split_words
from schemas.preference import MISLEADING_KINDS

__all__ = ["best_and_worst", "in_drawn_order", "length_log_ratio", "misleading_kind", "prompt_columns", "text_columns"]


def in_drawn_order(weights: Mapping[str, float], choices: Choices) -> Iterator[str]:
    """Yield all kinds of positive weight: each place is drawn by weight among those that are left.

    (An exponential race: the smallest of -log(u) / w wins with probability w / sum.)
    """

    def arrival(kind: str) -> float:
        return -math.log1p(-choices.fraction(f"kind {kind}")) / weights[kind]

    yield from sorted((kind for kind in weights if weights[kind] > 0), key=lambda kind: (arrival(kind), kind))


def best_and_worst(texts: Sequence[str], scores: Sequence[float | None]) -> tuple[int, int] | None:
    """Return the indices of the candidates with the highest and the lowest score; None if there are no two texts.

    An unmeasured candidate is only taken when fewer than two are measured. Where several have the highest or the
    lowest score, those two are taken whose lengths are nearest: a pair must not teach that longer is better.

    >>> best_and_worst(["a b c", "a", "b", "a b d"], [0.9, 0.9, 0.1, 0.2])
    (1, 2)
    """
    scored = [i for i, score in enumerate(scores) if score is not None]
    value = (
        {i: scores[i] for i in scored} if len({texts[i] for i in scored}) > 1 else dict.fromkeys(range(len(texts)), 0)
    )
    high, low = max(value.values(), default=0), min(value.values(), default=0)  # type: ignore[type-var]
    pairs = itertools.product(*([i for i in value if value[i] == score] for score in (high, low)))
    apart = [(a, b) for a, b in pairs if texts[a] != texts[b]]
    return min(apart, key=lambda ab: (abs(length_log_ratio(texts[ab[0]], texts[ab[1]]) or 0), ab), default=None)


def length_log_ratio(better: str, worse: str) -> float | None:
    """Return the natural logarithm of the ratio of words; None if a text has none.

    >>> length_log_ratio("a dog runs", "a dog runs"), length_log_ratio("", "a dog")
    (0.0, None)
    """
    words = len(split_words(better)), len(split_words(worse))
    return math.log(words[0] / words[1]) if all(words) else None


def prompt_columns(better: Prompt, worse: Prompt) -> dict[str, str]:
    """Return what `schemas.preference` says of the prompts that generated both texts."""
    return {
        "pair_chosen_prompt": better.fill(),
        "pair_rejected_prompt": worse.fill(),
        "pair_chosen_prompt_id": better.id,
        "pair_rejected_prompt_id": worse.id,
    }


def text_columns(better: str, worse: str) -> dict[str, Any]:
    """Return what `schemas.preference` says of both texts."""
    return {
        "pair_chosen": better,
        "pair_rejected": worse,
        "pair_length_log_ratio": length_log_ratio(better, worse),
    }


def misleading_kind(prompt_id: str) -> str | None:
    """Return which of STIC's eight kinds a misleading prompt is, by its id; None for a prompt that is none of them.

    Our own wording is numbered in their order; any other prompt says it after its version.

    >>> misleading_kind("stic-misleading-v1-4"), misleading_kind("nano-misleading-v1-natural_elements")
    ('beyond_frame', 'natural_elements')
    """
    if numbered := re.fullmatch(r"stic-misleading-v\d+-([0-7])", prompt_id):
        return MISLEADING_KINDS[int(numbered.group(1))]
    name = prompt_id.rpartition("-")[2]
    return name if name in MISLEADING_KINDS else None
