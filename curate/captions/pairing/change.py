"""Changes of a text, as spans."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

__all__ = ["Change", "apply"]


@dataclass(frozen=True, slots=True)
class Change:
    """Characters `start` to `end` of a text, which are `before`, become `after`."""

    start: int
    end: int
    before: str
    after: str

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def apply(text: str, changes: Sequence[Change]) -> str:
    """Return the text with all changes made; they are in order and do not overlap.

    >>> apply("A dog and a dog.", [Change(0, 5, "A dog", "An ant"), Change(12, 15, "dog", "cat")])
    'An ant and a cat.'
    """
    parts, at = [], 0
    for change in changes:
        assert text[change.start : change.end] == change.before
        assert change.start >= at
        parts += [text[at : change.start], change.after]
        at = change.end
    return "".join([*parts, text[at:]])
