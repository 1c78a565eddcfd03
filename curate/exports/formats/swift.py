"""Write ms-swift's JSON lines for pretraining, SFT, DPO, KTO or grounding, images beside them."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal, get_args

from curate.captions.prompting.prompts import Prompt
from curate.errors import PlanError
from curate.exports.gates import alive
from curate.exports.layout import Finished, Part, PartFacts, Reads, Samples, Wrote
from curate.exports.lessons import Lesson, Lessons, clean, lessons_of
from curate.exports.options import check_file_name
from curate.exports.pairs import PAIR_COLUMNS, has_pair
from curate.exports.selection import Selection
from curate.exports.sft import RowsFile, join_rows, write_rows
from curate.storage.store import Store

__all__ = ["Swift", "swift_row"]

Task = Literal["sft", "pretrain", "dpo", "kto", "grounding"]


@dataclass(frozen=True, slots=True)
class Swift:
    """Writes `NAME.jsonl` and each image as it was stored, named by its uid.

    Paths in the rows are relative: give ms-swift the folder as ROOT_IMAGE_DIR. `pretrain` rows are captions without a
    question; `grounding` rows are captions with the boxes of their phrases, in fractions of the image.
    """

    task: Annotated[Task, "What is trained: sft, pretrain, dpo, kto or grounding."] = "sft"
    name: Annotated[str, "Name of the file of rows, without its extension."] = "samples"
    rows: Annotated[
        tuple[str, ...],
        "For sft and pretrain: what is taught, as a list of questions, label, caption, kinds, judgement, yes_no; by "
        "default questions and labels if the run has them, else the captions of each kind, else the caption.",
    ] = ()
    text: Annotated[
        str | None, "Column of the caption; by default the drawn, best, final or first one, whichever the run has."
    ] = None
    instructions: Annotated[
        tuple[Prompt, ...], "TOML file of prompts, of which one is drawn for each dense caption; none: ours."
    ] = ()
    seed: Annotated[int, "Another seed draws other instructions."] = 0

    def __post_init__(self) -> None:
        check_file_name(self.name)
        if self.task not in get_args(Task):
            raise PlanError(f"task={self.task!r}: give {', '.join(get_args(Task))}")
        if self.task == "pretrain" and (wrong := [name for name in self.rows if name not in ("caption", "kinds")]):
            raise PlanError(f"task=pretrain takes captions, no {wrong[0]}: give rows of caption or kinds")

    def condition(self, columns: Sequence[str]) -> str | None:
        if self.task in ("dpo", "kto"):
            return has_pair(columns)
        lessons, condition = lessons_of(columns, self._what(columns), self.text)
        if self.task != "grounding":
            return condition
        phrases = f"{lessons.text}_phrases"
        if phrases not in columns:
            raise PlanError(f"the run has no column {phrases!r}: put GroundedCaption into its recipe")
        found = f'len(list_filter("{phrases}", lambda p: len(p.boxes) > 0)) > 0'
        return " AND ".join([found, *alive(columns, [phrases])])

    def layout(self, selection: Selection) -> "Rows":
        file, names = RowsFile(self.name, "jsonl"), selection.columns.names
        if self.task in ("dpo", "kto"):
            return Rows(file, Reads(columns=PAIR_COLUMNS), self.task, None)
        lessons, _ = lessons_of(names, self._what(names), self.text, self.instructions, self.seed)
        more = (f"{lessons.text}_phrases",) if self.task == "grounding" else ()
        return Rows(file, Reads(columns=(*lessons.columns, *more)), self.task, lessons)

    def _what(self, columns: Sequence[str]) -> tuple[str, ...]:
        if self.task == "grounding":
            return ("caption",)
        if self.task == "pretrain" and not self.rows and not self.text:
            return ("kinds",) if "captions" in columns else ("caption",)
        return self.rows


@dataclass(frozen=True, slots=True)
class Rows:
    """Writes the images of a part, and its rows; they are joined at the end. `lessons` null: pairs."""

    file: RowsFile
    reads: Reads
    task: Task
    lessons: Lessons | None

    def write(self, folder: Store, part: Part, samples: Iterator[Samples]) -> Wrote:
        return write_rows(folder, part, self.file, samples, self._rows)

    def finish(self, folder: Store, parts: Sequence[PartFacts]) -> Finished:
        joined = join_rows(folder, self.file, parts)
        return Finished(joined.files, {"task": self.task, **joined.facts})

    def _rows(self, columns: Mapping[str, Any], image: str) -> list[dict[str, Any]]:
        if self.lessons is None:
            return _pair_rows(self.task, columns, image)
        if self.task == "grounding":
            return [_grounded_row(self.lessons, columns, image)]
        rows = [swift_row(columns["uid"], image, lesson) for lesson in self.lessons.of(columns)]
        return [_without_question(row) for row in rows] if self.task == "pretrain" else rows


def swift_row(uid: str, image: str, lesson: Lesson) -> dict[str, Any]:
    """Return a row of ms-swift; as many `<image>` as images.

    >>> swift_row("u1", "u1.jpg", Lesson("questions", (("What is it?", "A dog."),)))["messages"][1]
    {'role': 'assistant', 'content': 'A dog.'}
    """
    messages = []
    for number, (question, answer) in enumerate(lesson.turns):
        messages.append({"role": "user", "content": f"<image>{question}" if number == 0 else question})
        messages.append({"role": "assistant", "content": answer})
    drawn = {"instruction": lesson.instruction} if lesson.instruction else {}
    return {"id": f"{uid}-{lesson.what}", "messages": messages, "images": [image], **drawn}


def _without_question(row: Mapping[str, Any]) -> dict[str, Any]:
    messages = [{"role": "assistant", "content": f"<image>{row['messages'][1]['content']}"}]
    return {"id": row["id"], "messages": messages, "images": row["images"]}


def _pair_rows(task: str, columns: Mapping[str, Any], image: str) -> list[dict[str, Any]]:
    uid, asked = columns["uid"], {"role": "user", "content": f"<image>{clean(columns['pair_prompt'] or '')}"}
    chosen, rejected = clean(columns["pair_chosen"]), clean(columns["pair_rejected"])
    if chosen == rejected:  # ms-swift refuses such a row, and it teaches nothing
        return []
    good, bad = ([asked, {"role": "assistant", "content": text}] for text in (chosen, rejected))
    if task == "dpo":
        return [{"id": uid, "messages": good, "rejected_response": rejected, "images": [image]}]
    return [
        {"id": f"{uid}-{side}", "messages": messages, "label": side == "chosen", "images": [image]}
        for side, messages in (("chosen", good), ("rejected", bad))
    ]


def _grounded_row(lessons: Lessons, columns: Mapping[str, Any], image: str) -> dict[str, Any]:
    """Return a caption in which each phrase that has boxes is a name with its boxes; the others stay words."""
    question, instruction = lessons.draw("grounded", columns)
    text, at = columns[lessons.text], 0
    parts: list[str] = []
    names: list[str] = []
    boxes: list[list[float]] = []
    for phrase in columns[f"{lessons.text}_phrases"]:
        if phrase["boxes"] and phrase["start"] >= at:
            parts += [_piece(text[at : phrase["start"]]), "<ref-object>", "<bbox>" * len(phrase["boxes"])]
            names.append(text[phrase["start"] : phrase["end"]])
            boxes += [[round(side, 4) for side in box] for box in phrase["boxes"]]
            at = phrase["end"]
    answer = "".join([*parts, _piece(text[at:])])
    return {
        "id": f"{columns['uid']}-grounded",
        "messages": [{"role": "user", "content": f"<image>{question}"}, {"role": "assistant", "content": answer}],
        "objects": {"ref": names, "bbox": boxes, "bbox_type": "norm1"},
        "images": [image],
        "instruction": instruction,
    }


def _piece(text: str) -> str:
    """Return a piece of a caption as `clean` does, with the blanks at its ends."""
    inside = clean(text)
    return f"{text[: len(text) - len(text.lstrip())]}{inside}{text[len(text.rstrip()) :] if inside else ''}"
