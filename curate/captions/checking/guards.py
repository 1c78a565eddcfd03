"""Checks on what came back: marks, not decisions. Rules in a prompt are not enough to keep these out."""

import re
from collections import Counter
from dataclasses import dataclass
from typing import Final

from curate.captions.checking.words import quotes
from curate.captions.prompting.prompts import Prompt
from curate.captions.text import Detect, split_words
from curate.errors import PlanError

__all__ = ["Guards", "Languages", "sentences"]

COPIED_WORDS = 8  # so many words of the prompt in a row are no coincidence
LATIN: Final = re.compile("[A-Za-z\u00aa\u00ba\u00c0-\u024f\u1e00-\u1eff\uff21-\uff5a]")
WRITTEN_IN_LATIN: Final = "ca cs da de en es et fi fr hr hu id it lt lv ms nl no pl pt ro sk sl sv tr vi"
LATIN_LANGUAGES: Final = frozenset(WRITTEN_IN_LATIN.split())
LOOP_WORDS, LOOP_TIMES = 6, 4  # a phrase of six words four times over is a model that hangs

# Each pattern is linear in the text. The openers and hedges are those that DenseFusion's rules forbid and its own
# sample captions hold (arXiv 2407.08303, C.2); "sentence structure" and "real-world" are in KALE's list of leaked
# words (arXiv 2411.07461).
PATTERNS: Final = {
    "hedging": re.compile(
        r"\b(?:(?:appear|seem)s? to|(?:it |what )?(?:appears|seems|looks) (?:as if|as though|like|that|to be)|"
        r"(?:might|may|could) (?:be|have been)|possibly|probably|perhaps|maybe|presumably|apparently|seemingly|"
        r"supposedly|likely|suggest(?:s|ing)|impl(?:y|ies|ying)|hint(?:s|ing) at|evok(?:es|ing)|"
        r"i (?:think|believe|guess|assume)|"
        r"it is (?:unclear|difficult to))\b",
        re.IGNORECASE,
    ),
    "leaked_coordinates": re.compile(
        r"[\[(]\s{0,3}\d{1,4}(?:\.\d{1,6})?(?:\s{0,3},\s{0,3}\d{1,4}(?:\.\d{1,6})?){3}\s{0,3}[\])]|"
        r"\(\s{0,3}\d{1,4}\s{0,3},\s{0,3}\d{1,4}\s{0,3}\)\s{0,3},\s{0,3}\(\s{0,3}\d{1,4}\s{0,3},|"
        r"(?:\[|\bat \(|[\[(]\s{0,3}(?=[01]?\.\d))\s{0,3}\d{0,4}(?:\.\d{1,6})?\s{0,3},\s{0,3}\d{0,4}\.?\d{1,6}"
        r"\s{0,3}[\]),]|"
        r"\b[01]\.\d{2,6}\s{0,3},\s{0,3}[01]\.\d{2,6}\b|(?:\b[01]\.\d{2,6}\s{1,3}){3}[01]\.\d|"
        r"\b(?:bounding box(?:es)?|bbox(?:_2d)?)\b|"
        r"\bcoordinates?(?: of\b| are\b|:| ?[\[(]?\d)|<box>|<bbox>|<loc\d|\b[xy](?:1|_?min|_?max)\b",
        re.IGNORECASE,
    ),
    "leaked_prompt": re.compile(
        r"\b(?:world knowledge|alt[- ]?text|(?:the |these )(?:hints?|notes?) (?:say|says|mention|mentions|provided)|"
        r"external (?:info|information|knowledge)|(?:provided|given) (?:information|caption|hints?|notes?|text)|"
        r"according to the (?:hints?|notes?|caption|detector|ocr|information)|"
        r"expert (?:models?|hints?|information)|object detector|detection (?:results?|model)|OCR (?:text|results?)|"
        r"text found in the picture|detected objects|as an? (?:captioner|annotator)|sentence structure|real-world|"
        r"(?:this|the) (?:prompt|instructions?))\b|<\|[a-z_]{1,20}\|>",
        re.IGNORECASE,
    ),
    "refusal": re.compile(
        r"\b(?:i(?:['\u2019]m| am) (?:(?:very |really )?sorry|unable|not able)|(?:sorry|apologies), (?:but )?i\b|"
        r"i (?:can(?:['\u2019]|no)t|can not|(?:do not|don['\u2019]t) (?:have|see)|(?:could|was) not able to) "
        r"(?:the ability|access|an? image|any image|see|view|help|assist|describe|identify|provide|process)|"
        r"as an? (?:ai|(?:large )?language model)|unable to (?:see|view|process|access) (?:the|this|any|an) image|"
        r"(?:no|without an?) image (?:was |is )?(?:provided|attached))\b",
        re.IGNORECASE,
    ),
    "stock_opener": re.compile(
        r"^\W{0,3}(?:(?:(?:in|on|within) )?(?:the|this|an?|here is an?)\s(?:[\w-]{1,20}\s){0,2}(?:image|picture|photo|"
        r"photograph|scene|depiction|illustration|snapshot|screenshot)\s?(?:above|below)?,?\s?(?:is|shows?|showcases?|"
        r"depicts?|features?|presents?|captures?|contains?|displays?|portrays?|illustrates?|there|we|you|of)\b|"
        r"(?:in|within) (?:the|this) (?:image|picture|photo|photograph),|(?:image|picture|photo|photograph) of\b|"
        r"(?:sure|certainly|of course|absolutely)[,!.:]|here(?:['\u2019]s| is) (?:an?|the|your) (?:[\w-]{1,20}\s){0,2}"
        r"(?:caption|description|paragraph)\b|(?:caption|description|answer|response)\s?:|"
        r"(?:here,? )?(?:we|you) (?:can )?see\b)",
        re.IGNORECASE,
    ),
}


@dataclass(frozen=True, slots=True)
class Guards:
    """Marks what is wrong with a caption; a filter decides what to do about it.

    `min_words` and `max_words` are the length band, both inside it. DenseFusion asks for at most 192 words and gets
    191 on average; LAION's captions have 9 and KALE's 67 (arXiv 2407.08303, 2411.07461), so the band is 20 to 320.
    """

    min_words: int = 20
    max_words: int = 320

    def __post_init__(self) -> None:
        if not 0 <= self.min_words <= self.max_words:
            raise PlanError(f"Guards: min_words={self.min_words}, max_words={self.max_words}; give 0 <= min <= max")

    def mark(self, caption: str, finish_reason: str | None, prompt: Prompt) -> list[str]:
        """Return the sorted names of the marks that a caption earns; `schemas.caption` lists them.

        >>> Guards(3, 20).mark("The image shows a dog at [0.1, 0.2, 0.3, 0.4].", "stop", Prompt("p", "Describe."))
        ['leaked_coordinates', 'stock_opener']
        """
        marks = {name for name, pattern in PATTERNS.items() if pattern.search(caption)}
        words = split_words(caption)
        if not words:
            return ["empty", "truncated"] if finish_reason == "length" else ["empty"]
        if len(words) < self.min_words:
            marks.add("too_short")
        if len(words) > self.max_words:
            marks.add("too_long")
        if finish_reason == "length":
            marks.add("truncated")
        if _repeats(caption, words):
            marks.add("repeated_sentence")
        if _copies(words, prompt):
            marks.add("leaked_prompt")
        return sorted(marks)


@dataclass(frozen=True, slots=True)
class Languages:
    """Which languages a caption may have; none: any, and nothing is looked at.

    A caption is in the wrong one when the model is sure of another with at least `min_confidence`, or when more than
    `max_foreign` of its letters are of a script that none of the wanted languages writes, which a model that slips into
    Chinese in mid-sentence does. Quotations are left out: a sign copied letter by letter is what the prompt asks for.
    Source: fastText's lid.176, as in `TextFacts`. 0.5 is ours: 200 captions of the nano world scored 0.85 or more for
    English, an English list of Italian dishes 0.37. 0.1 is ours too: a name in its own script is no other language.
    """

    wanted: tuple[str, ...] = ("en",)
    min_confidence: float = 0.5
    max_foreign: float = 0.1

    def __post_init__(self) -> None:
        if isinstance(self.wanted, str) or not (0 <= self.min_confidence <= 1 and 0 <= self.max_foreign <= 1):
            raise PlanError(
                f"Languages: wanted={self.wanted!r} must be a tuple of codes, such as ('en',), min_confidence="
                f"{self.min_confidence} and max_foreign={self.max_foreign} between 0 and 1"
            )

    def judge(self, caption: str, detect: Detect | None) -> tuple[str | None, float | None, bool]:
        """Return language and confidence, null where no letter stands outside quotations, and whether it is wrong."""
        unquoted = _unquoted(caption)
        letters = [letter for letter in unquoted if letter.isalpha()]
        if detect is None or not self.wanted or not letters:
            return None, None, False
        language, confidence = detect(unquoted) or (None, None)
        other = language is not None and language not in self.wanted and (confidence or 0.0) >= self.min_confidence
        foreign = sum(not LATIN.match(letter) for letter in letters) / len(letters)
        return language, confidence, other or (LATIN_LANGUAGES.issuperset(self.wanted) and foreign > self.max_foreign)


def _unquoted(caption: str) -> str:
    parts, at = [], 0
    for start, end, _ in quotes(caption):
        parts.append(caption[at:start])
        at = end
    return " ".join([*parts, caption[at:]])


def sentences(text: str) -> list[str]:
    """Return the sentences of a text, without their marks, lower case.

    >>> sentences("A dog. It runs! 犬がいる。")
    ['a dog', 'it runs', '犬がいる']
    """
    return [part.strip().casefold() for part in re.split(r"[.!?](?:\s|$)|[\u3002\uff01\uff1f\n]", text) if part.strip()]


def _repeats(caption: str, words: list[str]) -> bool:
    parts = [part for part in sentences(caption) if len(part.split()) > 2 or not part.isascii()]
    if len(set(parts)) < len(parts):
        return True
    runs = Counter(zip(*(words[i:] for i in range(LOOP_WORDS)), strict=False))
    return max(runs.values(), default=0) >= LOOP_TIMES


def _copies(words: list[str], prompt: Prompt) -> bool:
    request = split_words(f"{prompt.system or ''} {prompt.text} {prompt.lead}")
    return not _runs(request).isdisjoint(_runs(words))


def _runs(words: list[str]) -> set[tuple[str, ...]]:
    folded = [word.casefold() for word in words]
    return set(zip(*(folded[i:] for i in range(COPIED_WORDS)), strict=False))
