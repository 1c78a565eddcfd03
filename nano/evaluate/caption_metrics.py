"""Measure captions against the truth of their scenes."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from curate.captions.checking.lexicon import read_lexicon
from nano.world.annotation import Scene
from nano.world.texts import mentioned, sign_found

__all__ = ["CaptionMetrics", "caption_metrics"]


Key = TypeVar("Key", str, tuple[str, int])
NAMED = read_lexicon(str(Path(__file__).resolve().parents[1] / "lexicon.toml"))


@dataclass(frozen=True, slots=True)
class CaptionMetrics:
    """Fractions in [0, 1] over a set of captions, pooled over objects; null where nothing could be counted."""

    captions: int
    signs: int
    object_recall: float | None  # classes in the image that are named
    object_precision: float | None  # named classes that are in the image
    hallucination_rate: float | None  # named classes that are not: 1 - precision
    count_accuracy: float | None  # classes in the image whose first count in the caption is right
    position_accuracy: float | None  # objects alone in their class that are said to be where they are
    sign_text_recall: float | None  # signs whose exact text is in the caption, ignoring case
    words_per_caption: float | None


def caption_metrics(captions: Mapping[Key, str], scenes: Mapping[Key, Scene]) -> CaptionMetrics:
    """Measure the caption of every scene; both are keyed by sample, and a scene without a caption raises KeyError.

    A position counts as right only in the form "... NAME ... in the POSITION", which the nano VLM writes.
    """
    named = hit = present = counted = single = placed = signs = read = words = 0
    for uid, scene in scenes.items():
        text, counts = captions[uid], scene.counts()
        names = mentioned(text)
        named, present, hit = named + len(names), present + len(counts), hit + len(names & set(counts))
        counted += sum(first == counts.get(name) for name, first in _first_counts(text).items())
        for thing in scene.objects:
            if counts[thing.name] == 1:
                single += 1
                placed += bool(re.search(rf"\b{thing.name}\b [a-z ]*in the {thing.position}", text, re.IGNORECASE))
        signs, read = signs + (scene.sign is not None), read + sign_found(text, scene)
        words += len(text.split())
    precision = _share(hit, named)
    return CaptionMetrics(
        captions=len(scenes),
        signs=signs,
        object_recall=_share(hit, present),
        object_precision=precision,
        hallucination_rate=None if precision is None else round(1 - precision, 3),
        count_accuracy=_share(counted, present),
        position_accuracy=_share(placed, single),
        sign_text_recall=_share(read, signs),
        words_per_caption=round(words / len(scenes), 1) if scenes else None,
    )


def _first_counts(text: str) -> dict[str, int]:
    """Return the first number that the text says of each class: "two cats" 2, "a dog" 1."""
    said = [(mention.label, mention.count) for mention in NAMED.mentions(text) if mention.count is not None]
    return dict(reversed(said))


def _share(part: int, whole: int) -> float | None:
    return round(part / whole, 3) if whole else None
