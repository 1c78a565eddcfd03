"""What a model's yes or no at two scales says of the objects of a caption."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from curate.captions.boxes import Box

__all__ = ["Answer", "both_scales", "outcome", "read_answer", "with_article"]


@dataclass(frozen=True, slots=True)
class Answer:
    """A yes or no and its probability; `yes` is null for any other answer, `confidence` where an engine gives none."""

    yes: bool | None
    confidence: float | None = None

    @property
    def support(self) -> float:
        """How much it speaks for yes, in [-1, 1]; 0 if it is neither yes nor no."""
        weight = 0.5 if self.confidence is None else self.confidence
        return {True: weight, False: -weight, None: 0.0}[self.yes]


def read_answer(text: str, confidence: float | None) -> Answer:
    """Return the answer that a text is, in any case and with or without a full stop."""
    return Answer({"yes": True, "no": False}.get(text.strip().strip(".").casefold()), confidence)


def both_scales(label: str, parts: Sequence[Box], answers: Sequence[Answer], min_confidence: float) -> dict[str, Any]:
    """Return an entry of `verified_objects`: `answers` are about `parts` of the image, the whole first.

    Of several close parts the one that speaks most for yes counts; a yes of less than `min_confidence` among several is
    a no without a confidence.
    """
    full, close = answers[0], list(zip(answers[1:], parts[1:], strict=True))
    best, box = max(close, key=lambda pair: pair[0].support)
    if len(close) > 1 and best.yes and best.confidence is not None and best.confidence < min_confidence:
        best = Answer(False)
    return {
        "label": label,
        "full_yes": full.yes,
        "full_confidence": full.confidence,
        "zoom_yes": best.yes,
        "zoom_confidence": best.confidence,
        "agree": None if None in (full.yes, best.yes) else full.yes == best.yes,
        "zoom_box": list(box),
    }


def outcome(entries: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return the lists of `schemas.verify_objects`: confirmed at both scales, denied at both, and the rest disputed."""

    def labels(*answers: tuple[bool, bool]) -> list[str]:
        return [entry["label"] for entry in entries if (bool(entry["full_yes"]), bool(entry["zoom_yes"])) in answers]

    unclear = [entry["label"] for entry in entries if None in (entry["full_yes"], entry["zoom_yes"])]
    return {
        "verified_objects": list(entries),
        "objects_confirmed": labels((True, True)),
        "objects_denied": [label for label in labels((False, False)) if label not in unclear],
        "objects_disputed": sorted({*labels((True, False), (False, True)), *unclear}),
    }


def with_article(label: str) -> str:
    """Return a class as a question names one of it.

    >>> [with_article(label) for label in ("dog", "apple", "scissors", "bus", "wine glass")]
    ['a dog', 'an apple', 'a pair of scissors', 'a bus', 'a wine glass']
    """
    if label.endswith("s") and not label.endswith(("ss", "us")):
        return f"a pair of {label}"
    return f"{'an' if label[0] in 'aeio' or label.startswith('umb') else 'a'} {label}"
