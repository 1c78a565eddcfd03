"""Export questions and verified answers as rows for fine-tuning: LLaVA's JSON list, or ms-swift's JSON lines.

Trainers of both read images from files, so each lies beside the rows as it was stored, named by its uid. Paths in the
rows are relative: give LLaVA the folder as `--image_folder`, ms-swift as ROOT_IMAGE_DIR.
"""

import contextlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import PurePosixPath
from typing import IO, Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from curate.captions.prompting.untrusted import neutral
from curate.captions.questioning.questions import turns
from curate.errors import PlanError, SampleError
from curate.exports.images import read_images
from curate.exports.index import INDEX, Place, Places, write_manifest, write_shards
from curate.exports.options import ExportOptions
from curate.exports.selection import Selection
from curate.sources.shard import Shard
from curate.storage.store import Store

__all__ = ["SHORT", "Turn", "llava_row", "row_turns", "sft_condition", "swift_row", "write_llava", "write_swift"]

Turn: TypeAlias = tuple[str, str]
"""What the user asks and what the model answers."""

CONDITIONS: Final = {"qa_kept": "len(qa_kept) > 0", "labelled_outcome": "labelled_outcome = 'direct'"}
READ: Final = ("qa_kept", "labelled_outcome", "labelled_question", "labelled_rationale", "labelled_answer")
# Said once an image: without such a line, short answers teach a model to be short everywhere (LLaVA-1.5, Liu et al.
# 2023, arXiv 2310.03744; our wording).
SHORT: Final = "Answer briefly, with a word or a short phrase."


@dataclass(frozen=True, slots=True)
class Form:
    """How one format writes: its file's extension, the text before, between and after rows, and a row."""

    format: str
    extension: str
    head: str
    between: str
    tail: str
    row: Callable[[str, str, Sequence[Turn]], Mapping[str, Any]]


def sft_condition(names: Sequence[str]) -> str:
    """Return the SQL condition for samples that have something to learn from; raises PlanError if no column has."""
    found = [condition for name, condition in CONDITIONS.items() if name in names]
    if not found:
        raise PlanError(f"the run has none of {', '.join(CONDITIONS)}: questions come from the recipe caption_qa")
    return f"({' OR '.join(found)})"


def row_turns(row: Mapping[str, Any]) -> list[Turn]:
    """Return the turns of one sample: its kept questions, then the answer that its label verified directly."""
    asked = turns(row.get("qa_kept") or ())
    if asked:
        asked[0] = (f"{asked[0][0]}\n{SHORT}", asked[0][1])
    if row.get("labelled_outcome") == "direct":
        answer = "\n".join(neutral(text, 4_000) for name in READ[3:] if (text := row.get(name)))
        asked.append((neutral(row["labelled_question"], 1_000), answer))
    return asked


def llava_row(uid: str, image: str, said: Sequence[Turn]) -> dict[str, Any]:
    """Return a row of LLaVA's list; the image stands in the first turn.

    >>> llava_row("u1", "u1.jpg", [("What is it?", "A dog.")])["conversations"][1]
    {'from': 'gpt', 'value': 'A dog.'}
    """
    talk = []
    for number, (ask, answer) in enumerate(said):
        talk.append({"from": "human", "value": f"<image>\n{ask}" if number == 0 else ask})
        talk.append({"from": "gpt", "value": answer})
    return {"id": uid, "image": image, "conversations": talk}


def swift_row(uid: str, image: str, said: Sequence[Turn]) -> dict[str, Any]:
    """Return a row of ms-swift; as many `<image>` as images.

    >>> swift_row("u1", "u1.jpg", [("What is it?", "A dog.")])["messages"][1]
    {'role': 'assistant', 'content': 'A dog.'}
    """
    talk = []
    for number, (ask, answer) in enumerate(said):
        talk.append({"role": "user", "content": f"<image>{ask}" if number == 0 else ask})
        talk.append({"role": "assistant", "content": answer})
    return {"id": uid, "messages": talk, "images": [image]}


def write_llava(selection: Selection, store: Store, options: ExportOptions) -> dict[str, int]:
    """Write `NAME.json`, a list of conversations, and the images; return the counts of samples."""
    return _write(selection, store, options, Form("llava", "json", "[\n", ",\n", "\n]\n", llava_row))


def write_swift(selection: Selection, store: Store, options: ExportOptions) -> dict[str, int]:
    """Write `NAME.jsonl`, one conversation a line, and the images; return the counts of samples."""
    return _write(selection, store, options, Form("swift", "jsonl", "", "\n", "\n", swift_row))


@dataclass(slots=True)
class File:
    """The one file of rows, and the names of the images beside it."""

    name: str
    stream: IO[bytes]
    form: Form
    images: list[str]

    def add(self, uid: str, image: str, said: Sequence[Turn]) -> None:
        """Append a row."""
        lead = self.form.between if self.images else self.form.head
        text = json.dumps(self.form.row(uid, image, said), ensure_ascii=False, separators=(",", ":"))
        self.stream.write(f"{lead}{text}".encode())
        self.images.append(image)


def _write(selection: Selection, store: Store, options: ExportOptions, form: Form) -> dict[str, int]:
    name = f"{options.name}.{form.extension}"
    with contextlib.ExitStack() as stack:
        file = File(name, stack.enter_context(store.open_write(name)), form, [])
        counts = write_shards(store, selection, partial(_write_shard, store, file))
        end = form.tail if file.images else f"{form.head}]\n" if form.head else ""
        file.stream.write(end.encode())
    write_manifest(selection, store, [name, INDEX, *file.images], {"format": form.format, **counts})
    return counts


def _write_shard(store: Store, file: File, shard: Shard, table: pa.Table, chosen: npt.NDArray[np.bool_]) -> Places:
    """Write the chosen samples of a shard; return where each of its rows went."""
    places: Places = [None] * table.num_rows
    rows = table.filter(pa.array(chosen))
    texts = rows.select([name for name in READ if name in rows.column_names]).to_pylist()
    names = _names(rows)
    for row, uid, image, text, data in zip(
        np.flatnonzero(chosen), rows["uid"].to_pylist(), names, texts, read_images(shard, rows), strict=True
    ):
        if isinstance(data, SampleError):
            places[row] = data.code
            continue
        store.write_bytes(image, data)
        file.add(uid, image, row_turns(text))
        places[row] = Place(file.name, None, len(data))
    return places


def _names(rows: pa.Table) -> list[str]:
    """Return the file name of each image: its uid, and the extension it has in the source."""
    members = rows["image_member"].to_pylist()
    suffixes = [PurePosixPath(member or "").suffix.lower() for member in members]
    known = [suffix if suffix[1:].isalnum() and suffix.isascii() else ".jpg" for suffix in suffixes]
    return [f"{uid}{suffix}" for uid, suffix in zip(rows["uid"].to_pylist(), known, strict=True)]
