"""Questions and verified answers as rows for fine-tuning: one file of rows, and the images beside it.

Trainers read these images from files, so each lies there as it was stored, named by its uid.
"""

import contextlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import IO, Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from curate.captions.prompting.untrusted import neutral
from curate.captions.questioning.questions import turns
from curate.errors import PlanError, SampleError
from curate.exports.gates import alive
from curate.exports.images import image_extensions, read_images
from curate.exports.index import Location, Locations, Written, write_shards
from curate.exports.selection import Selection
from curate.sources.shard import Shard
from curate.storage.store import Store

__all__ = ["SHORT", "RowsLayout", "Turn", "row_turns", "sft_condition", "write_rows"]

Turn: TypeAlias = tuple[str, str]
"""What the user asks and what the model answers."""

CONDITIONS: Final = {"qa_kept": "len(qa_kept) > 0", "labelled_outcome": "labelled_outcome = 'direct'"}
READ: Final = ("qa_kept", "labelled_outcome", "labelled_question", "labelled_rationale", "labelled_answer")
# Once an image: without such a line, short answers teach a model to be short everywhere (LLaVA-1.5, Liu et al. 2023,
# arXiv 2310.03744; our wording).
SHORT: Final = "Answer briefly, with a word or a short phrase."


@dataclass(frozen=True, slots=True)
class RowsLayout:
    """The file of rows: its name, the text before, between and after rows, and a row from uid, image name and turns."""

    file: str
    head: str
    between: str
    tail: str
    row: Callable[[str, str, Sequence[Turn]], Mapping[str, Any]]


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


def write_rows(selection: Selection, store: Store, layout: RowsLayout) -> Written:
    """Write one row and one image file for each chosen sample."""
    with contextlib.ExitStack() as stack:
        file = _File(layout, stack.enter_context(store.open_write(layout.file)))
        counts = write_shards(store, selection, partial(_write_shard, store, file))
        end = layout.tail if file.images else f"{layout.head}]\n" if layout.head else ""
        file.stream.write(end.encode())
    return Written([layout.file, *file.images], counts)


@dataclass(slots=True)
class _File:
    """The open file of rows, and the names of the images beside it."""

    layout: RowsLayout
    stream: IO[bytes]
    images: list[str] = field(default_factory=list)

    def add(self, uid: str, image: str, turns: Sequence[Turn]) -> None:
        """Append a row."""
        lead = self.layout.between if self.images else self.layout.head
        text = json.dumps(self.layout.row(uid, image, turns), ensure_ascii=False, separators=(",", ":"))
        self.stream.write(f"{lead}{text}".encode())
        self.images.append(image)


def _write_shard(store: Store, file: _File, shard: Shard, table: pa.Table, chosen: npt.NDArray[np.bool_]) -> Locations:
    """Write the chosen samples of a shard; return where each of its rows went."""
    locations: Locations = [None] * table.num_rows
    rows = table.filter(pa.array(chosen))
    texts = rows.select([name for name in READ if name in rows.column_names]).to_pylist()
    uids, names = rows["uid"].to_pylist(), _image_names(rows)
    for position, uid, image, text, data in zip(
        np.flatnonzero(chosen), uids, names, texts, read_images(shard, rows), strict=True
    ):
        if isinstance(data, SampleError):
            locations[position] = data.code
            continue
        store.write_bytes(image, data)
        file.add(uid, image, row_turns(text))
        locations[position] = Location(file.layout.file, None, len(data))
    return locations


def _image_names(rows: pa.Table) -> list[str]:
    """Return the file name of each image: its uid, and the extension it has in the source, .jpg without a plain one."""
    extensions = [end if end[1:].isalnum() and end.isascii() else ".jpg" for end in image_extensions(rows)]
    return [f"{uid}{end}" for uid, end in zip(rows["uid"].to_pylist(), extensions, strict=True)]
