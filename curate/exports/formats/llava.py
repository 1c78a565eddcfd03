"""Write questions and verified answers as LLaVA's JSON list of conversations, images beside it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from curate.exports.layout import Finished, Part, PartFacts, Reads, Samples, Wrote
from curate.exports.options import check_file_name
from curate.exports.selection import Selection
from curate.exports.sft import READ, RowsFile, Turn, join_rows, row_turns, sft_condition, write_rows
from curate.storage.store import Store

__all__ = ["Llava", "llava_row"]


@dataclass(frozen=True, slots=True)
class Llava:
    """Writes `NAME.json` and each image as it was stored, named by its uid.

    Paths in the rows are relative: give LLaVA the folder as `--image_folder`.
    """

    name: Annotated[str, "Name of the file of rows, without its extension."] = "samples"

    def __post_init__(self) -> None:
        check_file_name(self.name)

    def condition(self, columns: Sequence[str]) -> str | None:
        return sft_condition(columns)

    def layout(self, selection: Selection) -> "Rows":
        return Rows(
            RowsFile(self.name, "json", "[\n", ",\n", "\n]\n"),
            Reads(columns=tuple(name for name in READ if name in selection.columns.names)),
        )


@dataclass(frozen=True, slots=True)
class Rows:
    """Writes the images of a part, and its rows; they are joined at the end."""

    file: RowsFile
    reads: Reads

    def write(self, folder: Store, part: Part, samples: Iterator[Samples]) -> Wrote:
        return write_rows(folder, part, self.file, samples, _row)

    def finish(self, folder: Store, parts: Sequence[PartFacts]) -> Finished:
        return join_rows(folder, self.file, parts)


def _row(columns: Mapping[str, Any], image: str) -> Mapping[str, Any]:
    return llava_row(columns["uid"], image, row_turns(columns))


def llava_row(uid: str, image: str, turns: Sequence[Turn]) -> Mapping[str, Any]:
    """Return a row of LLaVA's list; the image stands in the first turn.

    >>> llava_row("u1", "u1.jpg", [("What is it?", "A dog.")])["conversations"][1]
    {'from': 'gpt', 'value': 'A dog.'}
    """
    messages = []
    for number, (question, answer) in enumerate(turns):
        messages.append({"from": "human", "value": f"<image>\n{question}" if number == 0 else question})
        messages.append({"from": "gpt", "value": answer})
    return {"id": uid, "image": image, "conversations": messages}
