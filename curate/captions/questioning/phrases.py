"""Questions and their wordings; wordings of one's own lie in a TOML file."""

import tomllib
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, Final

from curate.errors import PlanError

__all__ = ["KINDS", "Phrases", "Question", "read_phrases"]

KINDS: Final = ("yes_no", "count", "text", "short")


@dataclass(frozen=True, slots=True)
class Question:
    """A question, the answer that is expected, and where it comes from; see `schemas.question` for the words.

    `subject` is the class that it is about, if it is about one and evidence can say something of it.
    """

    kind: str
    text: str
    expected: str
    source: str
    subject: str | None = None


@dataclass(frozen=True, slots=True)
class Phrases:
    """Wordings, one chosen by hash for each question: {one} "a dog", {many} "dogs", {label} "dog" are filled in.

    A kind without wordings is not asked. `ask_*` goes after the question when it is put to the model, and is not part
    of the stored question. `id` stands for the wordings in the data.
    """

    id: str = "questions-v1"
    yes_no: tuple[str, ...] = (
        "Is there {one} in the picture?",
        "Can you see {one} in this picture?",
        "Does the picture show {one}?",
        "Is {one} visible?",
        "Does {one} appear anywhere in the picture?",
    )
    count: tuple[str, ...] = (
        "How many {many} are there?",
        "How many {many} can be seen in the picture?",
        "What is the number of {many} in this picture?",
        "Count the {many}.",
    )
    text: tuple[str, ...] = (
        "What text can be read in the picture?",
        "What is written in the picture?",
        "Which words are visible in this picture?",
    )
    largest: tuple[str, ...] = (
        "Which object takes up the most space in the picture?",
        "What is the largest object in this picture?",
    )
    ask_yes_no: str = "Answer with yes or no."
    ask_count: str = "Answer with a number."
    ask_text: str = "Answer with the text alone, letter by letter."
    ask_short: str = "Answer with a word or a short phrase."

    def asked(self, question: Question) -> str:
        """Return the question as it is put to a model."""
        return f"{question.text} {getattr(self, f'ask_{question.kind}')}".strip()


def read_phrases(where: str) -> Phrases:
    """Read wordings from a TOML file with the fields of Phrases as keys; those it lacks keep ours, `id` it must have.

    Raises PlanError, one sentence, if it cannot be read or holds anything else.
    """
    try:
        table = tomllib.loads(Path(where).read_text(encoding="utf-8"))
    except OSError as error:
        raise PlanError(f"phrases {where}: cannot be read: {error.strerror or error}") from None
    except (ValueError, RecursionError) as error:
        raise PlanError(f"phrases {where}: not TOML in UTF-8: {' '.join(str(error).split())}") from None
    kinds = {field.name: field.type for field in fields(Phrases)}
    if unknown := sorted(set(table) - set(kinds)):
        raise PlanError(f"phrases {where}: unknown key {unknown[0]!r}; there are {', '.join(kinds)}")
    if not isinstance(table.get("id"), str) or table["id"] == Phrases().id:
        raise PlanError(f'phrases {where}: give an id of its own, such as id = "mine-v1"')
    good: dict[str, Any] = {
        name: value for name, value in table.items() if isinstance(value, str) and kinds[name] is str
    }
    good |= {name: tuple(value) for name, value in table.items() if _is_list(value) and kinds[name] is not str}
    if wrong := sorted(set(table) - set(good)):
        name = wrong[0]
        raise PlanError(f"phrases {where}: {name} is {table[name]!r}; give a text, or a list of texts for a kind")
    return replace(Phrases(), **good)


def _is_list(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(one, str) and one.strip() for one in value)
