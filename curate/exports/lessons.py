"""What a sample teaches: captions of every kind, questions, labels, judgements, each as turns about its image.

Texts of models and of the web are data: what a chat template would read as a control token, or a trainer as another
image or box, is a blank in every row.
"""

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from curate.captions.choices import Choices
from curate.captions.judging.judges import score_prompt
from curate.captions.prompting.kinds import ALT
from curate.captions.prompting.prompts import BUNDLED, NEUTRAL_V1, Prompt
from curate.captions.prompting.untrusted import neutral, without_tokens
from curate.captions.questioning.questions import turns
from curate.errors import PlanError
from curate.experts.caption_judge import CAPTION_JUDGE_V1
from curate.exports.gates import alive, gates_of

__all__ = ["ROWS", "SHORT", "Lesson", "Lessons", "Turn", "clean", "lessons_of"]

Turn: TypeAlias = tuple[str, str]
"""What the user asks and what the model answers."""

ROWS: Final = ("questions", "label", "caption", "kinds", "judgement", "yes_no")
JUDGED: Final = ("judgement", "yes_no")
"""Rows of these teach from bad captions too: a gate that dropped the caption is no reason to leave them out."""
TEXTS: Final = ("drawn_caption", "best_caption", "final_caption", "caption", "description")
"""What is taught as the caption by default: the first of these columns that the run has."""
LABEL: Final = ("labelled_outcome", "labelled_question", "labelled_rationale", "labelled_answer")
# Once an image: without such a line, short answers teach a model to be short everywhere (LLaVA-1.5, Liu et al. 2023,
# arXiv 2310.03744; our wording).
SHORT: Final = "Answer briefly, with a word or a short phrase."
AXES: Final = {
    "vir": "Does this description name the things of note in the picture, with their details and surroundings?",
    "ita": "Is this description true of the picture, specific and complete?",
}
GOOD: Final = 3  # of 5: SAIL-VL2 (arXiv 2509.14033) keeps captions from there on, on both axes
INSTRUCTIONS: Final[Mapping[str, Sequence[Prompt]]] = {
    name: tuple(prompt for id_, prompt in BUNDLED.items() if id_.startswith(f"instruct-{name.replace('_', '-')}-v1-"))
    for name in ("short", "tags", "alt_text", "grounded")
}
PLACEHOLDERS: Final = re.compile(r"<\s*/?\s*(?:bbox|ref-object|cot-process|start-image|end-image)\s*>", re.IGNORECASE)
CHARACTERS: Final = 6_000  # of a caption that is quoted to a judge, as `CaptionJudge` quotes it


@dataclass(frozen=True, slots=True)
class Lesson:
    """One row for a trainer: turns about the sample's image; `instruction` is the id of the prompt that was drawn."""

    what: str
    turns: tuple[Turn, ...]
    instruction: str | None = None


@dataclass(frozen=True, slots=True)
class Lessons:
    """What the samples of a run teach; `text` is the column of the caption, `gates` what may have dropped each.

    `instructions` stand in place of ours for dense captions, and for kinds that we have none for.
    """

    what: tuple[str, ...]
    text: str
    gates: tuple[tuple[str, tuple[str, ...]], ...]
    instructions: tuple[Prompt, ...] = ()
    seed: int = 0

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of the run that `of` reads."""
        read = [name for what in self.what for name in _columns(what, self.text)]
        return tuple(dict.fromkeys([*read, *(gate for _, gates in self.gates for gate in gates)]))

    def of(self, row: Mapping[str, Any]) -> list[Lesson]:
        """Return what a sample teaches, in the order of `what`; nothing of what a gate dropped."""
        gates = dict(self.gates)
        lessons: list[Lesson] = []
        for what in self.what:
            if all(row.get(gate) is None for gate in gates.get(what, ())):
                lessons += MAKERS[what](self, row)
        return lessons

    def draw(self, kind: str, row: Mapping[str, Any]) -> tuple[str, str]:
        """Return an instruction for a kind of text, drawn by a hash of (seed, uid), and its id."""
        prompts = INSTRUCTIONS.get(kind) or self.instructions or NEUTRAL_V1
        prompt = prompts[Choices(self.seed, "instruction", row["uid"]).index(kind, len(prompts))]
        text = prompt.fill()
        return (text.replace(ALT, neutral(row.get("alt_text") or "", 1_000)) if ALT in text else text), prompt.id


def lessons_of(
    columns: Sequence[str], what: Sequence[str], text: str | None, instructions: tuple[Prompt, ...] = (), seed: int = 0
) -> tuple[Lessons, str]:
    """Return what a run with these columns teaches, and the SQL condition for samples that teach something.

    Of `what`, by default questions and labels if the run has them, else captions of each kind, else the caption. Raises
    PlanError if the run lacks what is asked for, or has nothing to teach.
    """
    caption = text or next((name for name in TEXTS if name in columns), "caption")
    what = what or (("caption",) if text else ())
    if unknown := [name for name in what if name not in ROWS]:
        raise PlanError(f"rows={list(what)}: {unknown[0]!r} is none of {', '.join(ROWS)}")
    there = [name for name in ROWS if set(_columns(name, caption)) <= set(columns)]
    if missing := [name for name in what if name not in there]:
        lacking = [name for name in _columns(missing[0], caption) if name not in columns]
        raise PlanError(f"rows of {missing[0]} need the columns {', '.join(lacking)}, which the run does not have")
    asked = [name for name in there if name in ("questions", "label")]
    chosen = tuple(dict.fromkeys(what)) or tuple(asked or [name for name in there if name in ("kinds", "caption")][-1:])
    if not chosen:
        raise PlanError("the run has nothing to teach: no questions, no captions; name a column with text=...")
    judged = {name: () if name in JUDGED else _columns(name, caption) for name in chosen}
    gates = tuple((name, tuple(gates_of(columns, own))) for name, own in judged.items())
    lessons = Lessons(chosen, caption, gates, instructions, seed)
    each = [" AND ".join([_condition(name, caption), *alive(columns, own)]) for name, own in judged.items()]
    return lessons, f"({' OR '.join(each)})"


def clean(text: str) -> str:
    """Return a text as a row may hold it: no control token, no tag that stands for an image or a box."""
    return PLACEHOLDERS.sub(" ", without_tokens(text)).strip()


def _columns(what: str, text: str) -> tuple[str, ...]:
    """Return the columns that rows of one kind need."""
    if what in JUDGED:
        return (text, f"{text}_vir", f"{text}_ita", f"{text}_judge_reason")
    return {"questions": ("qa_kept",), "label": LABEL, "kinds": ("captions", "alt_text")}.get(what, (text,))


def _condition(what: str, text: str) -> str:
    if what == "questions":
        return "len(qa_kept) > 0"
    if what == "label":
        return "labelled_outcome = 'direct'"
    if what == "kinds":
        return "len(list_filter(captions, lambda c: c.text <> '' AND len(c.marks) = 0)) > 0"
    filled = f"\"{text}\" <> ''"
    return filled if what == "caption" else f'{filled} AND "{text}_vir" IS NOT NULL AND "{text}_ita" IS NOT NULL'


def _questions(lessons: Lessons, row: Mapping[str, Any]) -> Iterable[Lesson]:
    learned = [(clean(question), clean(answer)) for question, answer in turns(row["qa_kept"] or ())]
    if learned:
        learned[0] = (f"{learned[0][0]}\n{SHORT}", learned[0][1])
        yield Lesson("questions", tuple(learned))


def _label(lessons: Lessons, row: Mapping[str, Any]) -> Iterable[Lesson]:
    if row["labelled_outcome"] == "direct":
        answer = "\n".join(neutral(text, 4_000) for name in LABEL[2:] if (text := row[name]))
        yield Lesson("label", ((neutral(row["labelled_question"], 1_000), answer),))


def _caption(lessons: Lessons, row: Mapping[str, Any]) -> Iterable[Lesson]:
    if text := clean(row[lessons.text] or ""):
        question, instruction = lessons.draw("caption", row)
        yield Lesson("caption", ((question, text),), instruction)


def _kinds(lessons: Lessons, row: Mapping[str, Any]) -> Iterable[Lesson]:
    for each in row["captions"] or ():
        text = clean(each["text"] or "")
        if text and not each["marks"]:
            question, instruction = lessons.draw(each["kind"], row)
            yield Lesson(each["kind"], ((question, text),), instruction)


def _scores(lessons: Lessons, row: Mapping[str, Any]) -> dict[str, int] | None:
    scores = {axis: row[f"{lessons.text}_{axis}"] for axis in AXES}
    return None if None in scores.values() or not row[lessons.text] else scores


def _judgement(lessons: Lessons, row: Mapping[str, Any]) -> Iterable[Lesson]:
    """Yield what `CaptionJudge` asks, with the answer that it reads."""
    if scores := _scores(lessons, row):
        reason = neutral(row[f"{lessons.text}_judge_reason"] or "", 400)
        asked = score_prompt(CAPTION_JUDGE_V1.fill(), row[lessons.text], CHARACTERS)
        answer = json.dumps({**scores, "reason": reason}, ensure_ascii=False)
        yield Lesson("judgement", ((asked, answer),), CAPTION_JUDGE_V1.id)


def _yes_no(lessons: Lessons, row: Mapping[str, Any]) -> Iterable[Lesson]:
    """Yield a question for each axis, answered by yes from a score of 3 on: SAIL-VL2's second head."""
    for axis, score in (_scores(lessons, row) or {}).items():
        asked = f"{score_prompt(AXES[axis], row[lessons.text], CHARACTERS)}\nAnswer yes or no."
        yield Lesson(f"yes-no-{axis}", ((asked, "yes" if score >= GOOD else "no"),))


MAKERS: Final[Mapping[str, Callable[[Lessons, Mapping[str, Any]], Iterable[Lesson]]]] = {
    "questions": _questions,
    "label": _label,
    "caption": _caption,
    "kinds": _kinds,
    "judgement": _judgement,
    "yes_no": _yes_no,
}
