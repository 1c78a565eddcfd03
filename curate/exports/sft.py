"""Questions and verified answers as rows for fine-tuning: one file of rows, and the images beside it.

Trainers read these images from files, so each lies there as it was stored, named by its uid.
"""

import json
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from curate.captions.prompting.untrusted import neutral
from curate.captions.questioning.questions import turns
from curate.errors import PlanError
from curate.exports.gates import alive
from curate.exports.layout import WORK, Finished, Location, Part, PartFacts, Samples, Wrote
from curate.storage.store import Store

__all__ = ["READ", "SHORT", "RowsFile", "Turn", "join_rows", "row_turns", "sft_condition", "write_rows"]

Turn: TypeAlias = tuple[str, str]
"""What the user asks and what the model answers."""

CONDITIONS: Final = {"qa_kept": "len(qa_kept) > 0", "labelled_outcome": "labelled_outcome = 'direct'"}
READ: Final = ("qa_kept", "labelled_outcome", "labelled_question", "labelled_rationale", "labelled_answer")
# Once an image: without such a line, short answers teach a model to be short everywhere (LLaVA-1.5, Liu et al. 2023,
# arXiv 2310.03744; our wording).
SHORT: Final = "Answer briefly, with a word or a short phrase."


@dataclass(frozen=True, slots=True)
class RowsFile:
    """A file of rows: the beginning of its name, its extension, the text before, between and after rows."""

    name: str
    extension: str
    head: str = ""
    between: str = "\n"
    tail: str = "\n"

    def of(self, split: str | None) -> str:
        """Return the name of the file of a split."""
        return f"{self.name}-{split}.{self.extension}" if split else f"{self.name}.{self.extension}"


def sft_condition(columns: Sequence[str]) -> str:
    """Return the SQL condition for samples that have something to learn from; raises PlanError if no column has."""
    conditions = [
        " AND ".join([condition, *alive(columns, [name])]) for name, condition in CONDITIONS.items() if name in columns
    ]
    if not conditions:
        raise PlanError(f"the run has none of {', '.join(CONDITIONS)}: questions come from the recipe caption_qa")
    return f"({' OR '.join(conditions)})"


def row_turns(row: Mapping[str, Any]) -> list[Turn]:
    """Return what a sample teaches: its kept questions, then the answer that its label verified directly."""
    learned = turns(row.get("qa_kept") or ())
    if learned:
        learned[0] = (f"{learned[0][0]}\n{SHORT}", learned[0][1])
    if row.get("labelled_outcome") == "direct":
        answer = "\n".join(neutral(text, 4_000) for name in READ[3:] if (text := row.get(name)))
        learned.append((neutral(row["labelled_question"], 1_000), answer))
    return learned


def write_rows(
    folder: Store,
    part: Part,
    file: RowsFile,
    samples: Iterator[Samples],
    row: Callable[[Mapping[str, Any], str], Mapping[str, Any]],
) -> Wrote:
    """Write the image file of each sample, and the rows of a part for `join_rows`.

    `row` makes the row of a sample from its columns and the name of its image.
    """
    locations: list[tuple[str, Location]] = []
    with folder.open_write(_piece(part)) as stream:
        for some in samples:
            rows = some.rows.to_pylist()
            for columns, image, extension in zip(rows, some.images, some.extensions, strict=True):
                name = f"{columns['uid']}{extension if _is_plain(extension) else '.jpg'}"
                folder.write_bytes(name, image)
                text = json.dumps(row(columns, name), ensure_ascii=False, separators=(",", ":"))
                stream.write(f"{file.between if locations else ''}{text}".encode())
                locations.append((name, Location(file.of(part.split), None, len(image))))
    return Wrote({name: {} for name, _ in locations}, [location for _, location in locations])


def join_rows(folder: Store, file: RowsFile, parts: Sequence[PartFacts]) -> Finished:
    """Write the file of rows of each split from its parts, one after another."""
    splits = dict.fromkeys(each.part.split for each in parts)
    for split in splits:
        filled = [each.part for each in parts if each.part.split == split and each.samples]
        with folder.open_write(file.of(split)) as stream:
            stream.write(file.head.encode())
            for i, part in enumerate(filled):
                stream.write(file.between.encode() if i else b"")
                with folder.open_read(_piece(part)) as piece:
                    shutil.copyfileobj(piece, stream, 1 << 20)
            stream.write(file.tail.encode() if filled else b"]\n" if file.head else b"")
    return Finished([file.of(split) for split in splits])


def _piece(part: Part) -> str:
    return f"{WORK}/{part.key}.rows"


def _is_plain(extension: str) -> bool:
    return extension[1:].isalnum() and extension.isascii()
