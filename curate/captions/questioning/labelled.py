"""Label-verified generation: where labels come from, what is asked, and what a reply says."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from curate.captions.prompting.untrusted import neutral
from curate.captions.questioning.verifiers import Verifier, holds, repeats
from curate.errors import PlanError

__all__ = ["LABELLED_V1", "Attempt", "LabelPrompt", "Reply", "read_attempt", "read_field"]

SCHEMA: Final = json.dumps(
    {
        "type": "object",
        "properties": {"rationale": {"type": "string"}, "answer": {"type": "string"}},
        "required": ["rationale", "answer"],
        "additionalProperties": False,
    }
)
# A reason that leans on what it was told instead of on the image.
TOLD: Final = re.compile(
    r"\b(?:(?:given|provided|correct|right|known|true|stated|expected) (?:answer|label|solution)|(?:as|was|were|been) "
    r"(?:given|told|provided|stated)|the (?:label|hint)|you (?:said|told|gave)|since the answer is)\b",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer and its reason; None: the model gave none."""

    answer: str
    rationale: str | None


@dataclass(frozen=True, slots=True)
class LabelPrompt:
    """How a question is put, first without its label, then with it ({label}); `id` stands for the wording.

    With `reasons` the reply is JSON by guided decoding, the reason before the answer so that the answer follows from
    it; else the whole text is the answer.
    Source: Video-STaR (Zohar et al. 2024, arXiv 2407.06189); our wording.
    """

    id: str = "labelled-v1"
    direct: str = "Look at the picture, say step by step what in it decides the question, then answer briefly."
    told: str = (
        'Look at the picture. The answer is "{label}". Say step by step what in the picture shows it, as if you '
        "had found it out yourself, then answer briefly. Never say that you were told the answer."
    )
    reasons: bool = True

    def __post_init__(self) -> None:
        if "{label}" not in self.told:
            raise PlanError(f"LabelPrompt {self.id}: told has no {{label}}")

    def ask(self, question: str) -> str:
        """Return the prompt of the first round."""
        return "\n".join(part for part in (question, self.direct) if part)

    def tell(self, question: str, label: str) -> str:
        """Return the prompt of the second round; the label is data, see `neutral`."""
        return f"{question}\n{self.told.replace('{label}', neutral(label, 200))}"

    @property
    def schema(self) -> str | None:
        """The JSON Schema of a reply; None: plain text."""
        return SCHEMA if self.reasons else None

    def read(self, text: str) -> Reply | None:
        """Return what a reply says; None if it is not of the form."""
        if not self.reasons:
            return Reply(text.strip(), None) if text.strip() else None
        try:
            reply = json.loads(text)
            answer, rationale = reply["answer"], reply["rationale"]
        except (ValueError, KeyError, TypeError, RecursionError):
            return None
        if not isinstance(answer, str) or not isinstance(rationale, str) or not answer.strip():
            return None
        return Reply(answer.strip(), rationale.strip() or None)


LABELLED_V1: Final = LabelPrompt()


def leans_on_label(reply: Reply) -> bool:
    """Tell whether a reply says that it was told the answer.

    >>> leans_on_label(Reply("dog", "As given, it is a dog.")), leans_on_label(Reply("dog", "It has a dog's tail."))
    (True, False)
    """
    return TOLD.search(f"{reply.rationale or ''} {reply.answer}") is not None


@dataclass(frozen=True, slots=True)
class Attempt:
    """An answer, its reason, and whether it is right; `holds` is null where the label cannot be read."""

    answer: str
    rationale: str | None
    holds: bool | None


def read_attempt(reply: Reply | None, text: str, verifier: Verifier, label: str, *, has_label: bool) -> Attempt:
    """Verify a reply against its label; `reply` is null where `text` has not the form of one.

    A reason that repeats itself, or one that leans on a label that its prompt held (`has_label`), is wrong.
    """
    right = holds(verifier, reply.answer if reply else "", label)
    if reply is None:
        return Attempt(text.strip(), None, right)
    if right and (repeats(reply.rationale or "") or (has_label and leans_on_label(reply))):
        right = False
    return Attempt(reply.answer, reply.rationale, right)


def read_field(row: Mapping[str, Any], path: str) -> str | None:
    """Return a column of a row as text, or a field in it: "alt_text", "metadata.answer", "metadata.labels.0".

    A JSON text is read where the path goes on; numbers and true or false become text, a list of texts one of them
    after the other. Null, empty, not there, or nested further: None.

    >>> read_field({"metadata": '{"answer": {"count": 3}}'}, "metadata.answer.count")
    '3'
    """
    name, *rest = path.split(".")
    value = row.get(name)
    if rest and isinstance(value, str):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            return None
    for part in rest:
        if isinstance(value, list) and part.isascii() and part.isdigit() and int(part) < len(value):
            value = value[int(part)]
        else:
            value = value.get(part) if isinstance(value, dict) else None
    return _text(value)


def _text(value: object) -> str | None:
    if isinstance(value, list) and value and all(isinstance(one, str) for one in value):
        value = ", ".join(value)
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value).strip() or None if isinstance(value, str | int | float) else None
