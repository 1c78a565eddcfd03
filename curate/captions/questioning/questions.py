"""Questions about an image: drawn from what experts measured, or read from what a model wrote.

Evidence decides what may be asked. A count or a "yes" needs detections that are all sure; a "no" needs a class that
the detector knows, did not see at all, and that no text about the image names.
"""

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, field
from typing import Any

from curate.captions.boxes import area
from curate.captions.checking.lexicon import Lexicon
from curate.captions.choices import Choices
from curate.captions.prompting.untrusted import neutral
from curate.captions.questioning.answers import read_words
from curate.captions.questioning.nouns import one, plural
from curate.captions.questioning.phrases import Phrases, Question
from curate.errors import PlanError

__all__ = ["Detections", "Templates", "balanced", "detections", "turns", "without_repeats"]

LABEL_CHARACTERS = 60
LARGER = 1.5  # the largest object is this much larger than any of another class, or there is no question about it


@dataclass(frozen=True, slots=True)
class Detections:
    """What was measured of one image: sure counts by class, the area of each, classes seen at all, sure lines of text.

    `complete`: the list of detections is whole, so that a class that is not in it was not detected. `detected` are
    all classes, sure or not.
    """

    counts: Mapping[str, int]
    areas: Mapping[str, float]
    detected: Set[str]
    lines: Sequence[str]
    complete: bool

    def agree(self, question: Question) -> bool | None:
        """Return whether the expected answer agrees with the detections; None where they say nothing of it."""
        label = question.subject
        if not self.complete or label is None or (label in self.detected and label not in self.counts):
            return None
        if question.kind == "yes_no":
            return (question.expected == "yes") == (label in self.counts)
        return question.expected == str(self.counts.get(label, 0)) if question.kind == "count" else None


@dataclass(frozen=True, slots=True)
class Templates:
    """Draws questions from evidence: at most `yes_no` (half of them "no"), `count`, `text` and `short` an image.

    Objects count from a score of `min_object_score`; a class with some detections above and some below is not counted,
    and one seen only below is neither there nor absent. Crowds over `most_counted` are not counted: detectors
    merge them; a list of `most_objects`, where Objects cuts it, tells neither number nor absence. Text is asked for
    where at most `most_lines` lines were read, each at `min_line_score` or more, which is Monkey's for PP-OCR (arXiv
    2311.06607). The other numbers are ours.
    """

    phrases: Phrases = field(default_factory=Phrases)
    yes_no: int = 4
    count: int = 2
    text: int = 1
    short: int = 1
    min_object_score: float = 0.5
    min_line_score: float = 0.85
    most_counted: int = 9
    most_lines: int = 3
    most_objects: int = 32

    def __post_init__(self) -> None:
        for name in ("yes_no", "count", "text", "short", "most_counted", "most_lines", "most_objects"):
            if getattr(self, name) < 0:
                raise PlanError(f"Templates: {name} is {getattr(self, name)}; it must be at least 0")

    def draw(self, measured: Detections, lexicon: Lexicon, named: Set[str], choices: Choices) -> list[Question]:
        """Return the questions of one image; `named` are classes that texts about it name."""
        present = _shuffled(measured.counts, "found", choices)
        absent = [label for label, _ in lexicon.labels if label not in measured.detected and label not in named]
        pairs = min(self.yes_no // 2, len(present), len(absent)) if measured.complete else 0
        questions = [self._ask("yes_no", label, "yes", "objects", choices) for label in present[:pairs]]
        questions += [
            self._ask("yes_no", label, "no", "absence", choices)
            for label in _shuffled(absent, "absent", choices)[:pairs]
        ]
        few = [label for label in present if measured.complete and measured.counts[label] <= self.most_counted]
        questions += [
            self._ask("count", label, str(measured.counts[label]), "objects", choices) for label in few[: self.count]
        ]
        if self.text and 0 < len(measured.lines) <= self.most_lines:
            questions.append(self._ask("text", "", " ".join(measured.lines), "ocr", choices))
        if self.short and (label := _largest(measured)):
            questions.append(self._ask("largest", label, label, "objects", choices))
        return [question for question in questions if question is not None]

    def _ask(self, kind: str, label: str, expected: str, source: str, choices: Choices) -> Question | None:
        wordings: tuple[str, ...] = getattr(self.phrases, kind)
        if not wordings:
            return None
        wording = wordings[choices.index(f"wording {kind} {label}", len(wordings))]
        name = neutral(label, LABEL_CHARACTERS)
        text = wording.replace("{one}", one(name)).replace("{many}", plural(name)).replace("{label}", name)
        return Question("short" if kind == "largest" else kind, text, expected, source, label or None)


def detections(row: Mapping[str, Any], templates: Templates, lexicon: Lexicon) -> Detections:
    """Return what the columns `objects` and `ocr_lines` of a row, where they are there, are sure of."""
    counts: dict[str, int] = {}
    areas: dict[str, float] = {}
    unsure: set[str] = set()
    for detection in row.get("objects") or ():
        label = lexicon.label_of(detection["label"]) or neutral(detection["label"], LABEL_CHARACTERS)
        areas[label] = max(areas.get(label, 0.0), area(detection["box"]))
        if detection["score"] < templates.min_object_score:
            unsure.add(label)
        else:
            counts[label] = counts.get(label, 0) + 1
    lines = list(row.get("ocr_lines") or ())
    are_certain = all(line["score"] >= templates.min_line_score for line in lines)
    texts = [text for line in lines if (text := neutral(line["text"], 120))] if are_certain else []
    return Detections(
        {label: count for label, count in counts.items() if label not in unsure},
        areas,
        frozenset(counts) | unsure,
        texts,
        row.get("objects") is not None and len(row["objects"]) < templates.most_objects,
    )


def without_repeats(questions: Sequence[Question]) -> list[Question]:
    """Return the questions less those that say the same again, or count the same class again; the first stays."""
    used: set[tuple[str, ...]] = set()
    kept = []
    for question in questions:
        keys = {("words", *read_words(question.text))}
        if question.subject:
            keys.add((question.kind, question.subject))
        if used.isdisjoint(keys):
            kept.append(question)
        used |= keys
    return kept


def balanced(questions: Sequence[Question]) -> list[Question]:
    """Return the questions with as many "yes" as "no" among the yes/no questions: the last of the surplus go.

    >>> ask = [Question("yes_no", f"{i}?", answer, "caption") for i, answer in enumerate(["yes", "no", "yes"])]
    >>> [question.text for question in balanced(ask)]
    ['0?', '1?']
    """
    room = dict.fromkeys(("yes", "no"), 0)
    for question in questions:
        if question.kind == "yes_no" and question.expected in room:
            room[question.expected] += 1
    room = dict.fromkeys(room, min(room.values()))
    kept = []
    for question in questions:
        if question.kind == "yes_no":
            if not room.get(question.expected):
                continue
            room[question.expected] -= 1
        kept.append(question)
    return kept


def turns(rows: Sequence[Mapping[str, Any]]) -> list[tuple[str, str]]:
    """Return a list of questions as stored (`qa_kept`, `qa`) as turns of question and answer, in order.

    What has no answer is left out. Texts can hold no control token and no second image: see `neutral`.
    """
    return [(neutral(row["question"], 1_000), neutral(row["answer"], 4_000)) for row in rows if row["answer"]]


def _shuffled(labels: Mapping[str, int] | Sequence[str], what: str, choices: Choices) -> list[str]:
    return sorted(labels, key=lambda label: (choices.fraction(f"{what} {label}"), label))


def _largest(measured: Detections) -> str | None:
    ranked = sorted(measured.areas, key=lambda label: (-measured.areas[label], label))
    if (
        len(ranked) < 2
        or ranked[0] not in measured.counts
        or measured.areas[ranked[0]] < LARGER * measured.areas[ranked[1]]
    ):
        return None
    return ranked[0]
