"""Write captions, questions and judgements as LLaVA's JSON list of conversations, images beside it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from curate.captions.prompting.prompts import Prompt
from curate.exports.layout import Finished, Part, PartFacts, Reads, Samples, Wrote
from curate.exports.lessons import Lesson, Lessons, lessons_of
from curate.exports.options import check_file_name
from curate.exports.selection import Selection
from curate.exports.sft import RowsFile, join_rows, write_rows
from curate.storage.store import Store

__all__ = ["Llava", "llava_row"]


@dataclass(frozen=True, slots=True)
class Llava:
    """Writes `NAME.json` and each image as it was stored, named by its uid.

    Paths in the rows are relative: give LLaVA the folder as `--image_folder`. A row that asks for a caption has the id
    of the instruction that was drawn for it.
    """

    name: Annotated[str, "Name of the file of rows, without its extension."] = "samples"
    rows: Annotated[
        tuple[str, ...],
        "What is taught, as a list of questions, label, caption, kinds, judgement, yes_no; by default questions and "
        "labels if the run has them, else the captions of each kind, else the caption.",
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

    def condition(self, columns: Sequence[str]) -> str | None:
        return lessons_of(columns, self.rows, self.text)[1]

    def layout(self, selection: Selection) -> "Rows":
        lessons, _ = lessons_of(selection.columns.names, self.rows, self.text, self.instructions, self.seed)
        return Rows(RowsFile(self.name, "json", "[\n", ",\n", "\n]\n"), Reads(columns=lessons.columns), lessons)


@dataclass(frozen=True, slots=True)
class Rows:
    """Writes the images of a part, and its rows; they are joined at the end."""

    file: RowsFile
    reads: Reads
    lessons: Lessons

    def write(self, folder: Store, part: Part, samples: Iterator[Samples]) -> Wrote:
        return write_rows(folder, part, self.file, samples, self._rows)

    def finish(self, folder: Store, parts: Sequence[PartFacts]) -> Finished:
        return join_rows(folder, self.file, parts)

    def _rows(self, columns: Mapping[str, Any], image: str) -> list[Mapping[str, Any]]:
        return [llava_row(columns["uid"], image, lesson) for lesson in self.lessons.of(columns)]


def llava_row(uid: str, image: str, lesson: Lesson) -> Mapping[str, Any]:
    """Return a row of LLaVA's list; the image stands in the first turn.

    >>> llava_row("u1", "u1.jpg", Lesson("questions", (("What is it?", "A dog."),)))["conversations"][1]
    {'from': 'gpt', 'value': 'A dog.'}
    """
    messages = []
    for number, (question, answer) in enumerate(lesson.turns):
        messages.append({"from": "human", "value": f"<image>\n{question}" if number == 0 else question})
        messages.append({"from": "gpt", "value": answer})
    drawn = {"instruction": lesson.instruction} if lesson.instruction else {}
    return {"id": f"{uid}-{lesson.what}", "image": image, "conversations": messages, **drawn}
