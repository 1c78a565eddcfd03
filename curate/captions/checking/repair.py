"""Turn the faults of a caption into a repair prompt, and compare two captions by their faults."""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final

from curate.captions.checking.evidence import Claims
from curate.captions.prompting.commands import find_command
from curate.captions.prompting.untrusted import neutral

__all__ = ["Checked", "Faults", "better", "fill"]

LISTED: Final = 10  # faults of a kind in the prompt; a quoted text has at most CHARACTERS
CHARACTERS: Final = 80
INJECTED: Final = frozenset(("empty", "leaked_prompt", "refusal", "too_short", "wrong_language"))
"""Marks that a command in the untrusted text of the hints may have caused."""
FATAL: Final = frozenset(("empty", "refusal", "truncated", "wrong_language"))
MESSAGES: Final = {
    "empty": "it is empty",
    "hedging": "it guesses; state only what can be seen",
    "leaked_coordinates": "it holds coordinates",
    "leaked_prompt": "it repeats its instructions or notes",
    "refusal": "it refuses to describe the picture",
    "repeated_sentence": "it repeats itself",
    "stock_opener": "it begins with words like 'the image shows'",
    "too_long": "it is too long",
    "too_short": "it is too short",
    "truncated": "it breaks off",
    "wrong_language": "it is in the wrong language",
}
PLACEHOLDER: Final = re.compile(r"\{(caption|faults)\}")


@dataclass(frozen=True, slots=True)
class Faults:
    """What guards, evidence and verification hold against a caption.

    `marks` are those that are not allowed, `claims` the evidence, `denied` the classes that a model denied on a second
    look. `tell_missed_objects` and `tell_missed_texts` say whether what is missed is enough to ask again.
    """

    marks: tuple[str, ...]
    claims: Claims
    denied: tuple[str, ...] = ()
    tell_missed_objects: bool = False
    tell_missed_texts: bool = False

    @property
    def reasons(self) -> list[str]:
        """Return the names of what is worth another try, sorted; none: the caption stays as it is."""
        claims = self.claims
        kinds = {
            "unsupported_object": claims.unsupported,
            "denied_object": self.denied,
            "unsupported_text": claims.unsupported_texts,
            "wrong_count": claims.wrong_counts,
            "wrong_place": claims.wrong_places,
            "missed_object": self.tell_missed_objects and claims.missed,
            "missed_text": self.tell_missed_texts and claims.missed_texts,
        }
        return sorted([*self.marks, *(name for name, faults in kinds.items() if faults)])

    @property
    def number(self) -> int:
        """Return how many faults there are, all kinds alike: marks, wrong claims, classes and lines missed."""
        claims = self.claims
        denied = set(self.denied) - set(claims.unsupported)
        return len(self.marks) + claims.wrong + len(denied) + len(claims.missed) + len(claims.missed_texts)

    @property
    def by_injection(self) -> bool:
        """Whether a mark is one that a command among the hints would cause; untrusted text is then left out."""
        return not INJECTED.isdisjoint(self.marks)

    def lines(self) -> list[str]:
        """Return what is wrong in plain words, one fault a line; texts of others are quoted as data."""
        claims = self.claims
        unsupported = list(dict.fromkeys((*claims.unsupported, *self.denied)))
        lines = [MESSAGES.get(mark, mark) for mark in self.marks]
        lines += _list("these could not be found in the picture: ", unsupported)
        lines += [
            f"it says {claim.said} of {claim.label}; {claim.seen} can be found"
            for claim in claims.wrong_counts[:LISTED]
        ]
        lines += [
            f"it puts {claim.label} in the {claim.said}; it was found in the {claim.seen}"
            for claim in claims.wrong_places[:LISTED]
        ]
        lines += _list("this quoted text could not be read in the picture: ", _quoted(claims.unsupported_texts))
        if not self.by_injection:
            lines += _list("this text of the picture is missing: ", _quoted(claims.missed_texts))
        lines += _list("these were found and are not mentioned: ", claims.missed)
        return [f"- {line}" for line in lines]


@dataclass(frozen=True, slots=True)
class Checked:
    """A caption, all its marks, and its faults."""

    caption: str
    marks: list[str]
    faults: Faults


def fill(text: str, caption: str, faults: Faults, characters: int) -> str:
    """Return a prompt text with {caption} and {faults} filled in, each as data; one of them may be left out.

    >>> fill("{caption} | {faults}", 'My {faults} "dog"', Faults(("hedging",), Claims()), 60)
    "My (faults) 'dog' | - it guesses; state only what can be seen"
    """
    parts = {"caption": neutral(caption, characters), "faults": "\n".join(faults.lines())}
    return PLACEHOLDER.sub(lambda match: parts[match[1]], text)


def better(old: Faults, new: Faults) -> bool:
    """Tell whether the new caption is better than the old: fewer fatal marks, then fewer faults; a tie is not.

    Fatal is what makes a caption useless: empty, refused, broken off, in the wrong language. All other faults weigh the
    same, what is missed as much as what is wrong: a caption that says nothing is not the better one.
    """
    return (_fatal(new), new.number) < (_fatal(old), old.number)


def _fatal(faults: Faults) -> int:
    return len(FATAL.intersection(faults.marks))


def _quoted(texts: Sequence[str]) -> list[str]:
    """Return texts as quotations; those that talk to the model are left out, as they are of the hints."""
    return [f'"{neutral(text, CHARACTERS)}"' for text in texts if find_command(text) is None]


def _list(head: str, things: Collection[str]) -> list[str]:
    return [head + ", ".join(list(things)[:LISTED])] if things else []
