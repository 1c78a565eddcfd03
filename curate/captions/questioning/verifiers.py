"""Verifiers: does an answer say what is known? One frozen dataclass per kind of label, each with its own settings.

`verify(answer, label)` is True or False; None where the label itself cannot be read, so nothing is known. None raises,
whatever the texts. Call them through `holds`, which also turns away answers that repeat themselves.

Source: Video-STaR (Zohar et al. 2024, arXiv 2407.06189) and its code, with three of its faults mended: its verifier
gets the settings of all kinds instead of its own, a bare `except` loses whole batches, and the check for repeated
sentences is switched off. Left out: numbers, times, ranges and boxes, which are for video and grounding; sentence
embeddings and NLI models, which need a model.
"""

from dataclasses import dataclass, field
from difflib import SequenceMatcher
from typing import ClassVar, Final, Protocol, runtime_checkable

from curate.captions.checking.guards import Guards
from curate.captions.prompting.prompts import Prompt
from curate.captions.questioning.answers import read_count, read_quoted, read_words, read_yes_no
from curate.errors import PlanError

__all__ = [
    "Count",
    "QaVerifiers",
    "TextMatch",
    "Verifier",
    "Words",
    "YesNo",
    "holds",
    "repeats",
]

_STOPWORDS: Final = (
    "a an and are as at be been being by for from had has have he her his i in is it its of on or our she that the "
    "their them there these they this those to was we were while with you your"
)
_NEGATIONS: Final = "no not never without neither nor isn't aren't wasn't weren't don't doesn't cannot"
STOPWORDS: Final = frozenset(_STOPWORDS.split())
NEGATIONS: Final = frozenset(_NEGATIONS.split())
NEGATED_WORDS = 3  # how far a negation reaches: "not a red dog"
_NOTHING: Final = Prompt("none", "")
_LOOPS: Final = Guards(0, 1_000_000)


@runtime_checkable
class Verifier(Protocol):
    """Compares an answer with a label."""

    name: ClassVar[str]

    def verify(self, answer: str, label: str) -> bool | None:
        """Return whether the answer says what the label says; None if the label cannot be read."""


def holds(verifier: Verifier, answer: str, label: str) -> bool | None:
    """Return what the verifier says; an answer that repeats a sentence or loops never holds.

    >>> holds(Words(), "A dog. A dog sleeps. A dog sleeps.", "dog")
    False
    """
    verdict = verifier.verify(answer, label)
    return False if verdict and repeats(answer) else verdict


def repeats(text: str) -> bool:
    """Tell whether a text says a sentence twice, or loops."""
    return "repeated_sentence" in _LOOPS.mark(text, None, _NOTHING)


@dataclass(frozen=True, slots=True)
class YesNo:
    """Yes or no, also inside a sentence.

    >>> YesNo().verify("No, there is not.", "no"), YesNo().verify("Perhaps.", "no"), YesNo().verify("Yes", "dog")
    (True, False, None)
    """

    name: ClassVar[str] = "yes_no"

    def verify(self, answer: str, label: str) -> bool | None:
        expected = read_yes_no(label)
        return None if expected is None else read_yes_no(answer) == expected


@dataclass(frozen=True, slots=True)
class Count:
    """A whole number in digits or words; "two or three" is no answer.

    >>> Count().verify("There are three dogs.", "3"), Count().verify("none", "zero"), Count().verify("2", "3")
    (True, True, False)
    """

    name: ClassVar[str] = "count"

    def verify(self, answer: str, label: str) -> bool | None:
        expected = read_count(label)
        return None if expected is None else read_count(answer) == expected


@dataclass(frozen=True, slots=True)
class Words:
    """Every word of the label but stop words is like some word of the answer: ratio above 85, and not negated.

    The ratio is that of rapidfuzz and thefuzz (twice the matching characters over all), so "dogs" passes for "dog", and
    "cart" for "car" too. A word with "no", "not" or the like among the three before it does not count, which is ours.

    >>> [Words().verify(said, "a red cars") for said in ("It is a RED car.", "a blue car", "not a red car")]
    [True, False, False]
    """

    above: float = 85.0
    name: ClassVar[str] = "words"

    def __post_init__(self) -> None:
        if not 0 <= self.above < 100:
            raise PlanError(f"Words: above is {self.above}; it must be at least 0 and below 100")

    def verify(self, answer: str, label: str) -> bool | None:
        expected = [word for word in read_words(label) if word not in STOPWORDS] or read_words(label)
        if not expected:
            return None
        words = read_words(answer)
        if NEGATIONS.isdisjoint(expected):
            words = [word for i, word in enumerate(words) if NEGATIONS.isdisjoint(words[max(0, i - NEGATED_WORDS) : i])]
        distinct = set(words)
        return all(word in distinct or any(_ratio(word, other) > self.above for other in distinct) for word in expected)


@dataclass(frozen=True, slots=True)
class TextMatch:
    """Text read in the image: case, punctuation and spacing aside, the same, or alike by a ratio above 85.

    What the answer puts in quotation marks is what it read; without any, the words of the label must stand in it in
    a row, among at most `most_other_words` others.

    >>> [TextMatch().verify(said, "Open late") for said in ('It says "OPEN LATE".', "open late", '"Open"', "closed")]
    [True, True, False, False]
    """

    above: float = 85.0
    most_other_words: int = 8
    name: ClassVar[str] = "text_match"

    def __post_init__(self) -> None:
        if not 0 <= self.above < 100 or self.most_other_words < 0:
            raise PlanError(f"TextMatch: above={self.above} must be in [0, 100), most_other_words at least 0")

    def verify(self, answer: str, label: str) -> bool | None:
        expected = read_words(label)
        if not expected:
            return None
        quoted = read_quoted(answer)
        words = read_words(quoted or answer)
        if _ratio("".join(expected), "".join(words)) > self.above:
            return True
        runs = (words[i : i + len(expected)] for i in range(len(words) - len(expected) + 1))
        return not quoted and len(words) - len(expected) <= self.most_other_words and expected in runs


@dataclass(frozen=True, slots=True)
class QaVerifiers:
    """The verifier of each kind of question, each with its own settings."""

    yes_no: Verifier = field(default_factory=YesNo)
    count: Verifier = field(default_factory=Count)
    text: Verifier = field(default_factory=TextMatch)
    short: Verifier = field(default_factory=Words)

    def of(self, kind: str) -> Verifier:
        """Return the verifier of a kind."""
        verifier: Verifier = getattr(self, kind)
        return verifier


def _ratio(one: str, two: str) -> float:
    """Return 200 M / T: M matching characters of T in both."""
    matcher = SequenceMatcher(None, one, two, autojunk=False)
    return 100 * matcher.ratio() if matcher.real_quick_ratio() > 0.5 else 0.0
