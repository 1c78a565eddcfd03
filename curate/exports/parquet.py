"""Export as Parquet with the images inside, as HF datasets and TRL read it.

Each file carries HF's feature metadata, so that `load_dataset("parquet", ...)` gives decoded images.
"""

import contextlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import PurePosixPath
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from curate.errors import PlanError, SampleError
from curate.exports.images import read_images
from curate.exports.index import INDEX, Place, Places, write_manifest, write_shards
from curate.exports.options import ExportOptions
from curate.exports.selection import Selection
from curate.sources.shard import Shard
from curate.storage.store import Store

__all__ = ["PAIRS", "write_judged_pairs", "write_pairs", "write_parquet"]

GROUP_PICTURES = 100  # images of a row group: all that is in memory, and what the Hub's viewer advises
PICTURE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
PAIRS = "pair_chosen IS NOT NULL AND pair_rejected IS NOT NULL"  # what `write_pairs` can export

JUDGED = (
    *("pair_kind", "pair_chosen_score", "pair_rejected_score", "pair_margin", "pair_length_log_ratio"),
    *("pair_judge_preference", "pair_judge_agreement"),
)
"""Columns that tell how sure a pair is."""

_CONTENT = pa.list_(pa.struct([("type", pa.string()), ("text", pa.string())]))
_TURNS = pa.list_(pa.struct([("role", pa.string()), ("content", _CONTENT)]))
_PAIR = [("uid", pa.string()), ("images", pa.list_(PICTURE)), *((n, _TURNS) for n in ("prompt", "chosen", "rejected"))]


@dataclass(frozen=True, slots=True)
class Shape:
    """The schema of the files, and how the rows and images of one row group become a table of it."""

    format: str
    schema: pa.Schema
    convert: Callable[[pa.Table, list[dict[str, Any]]], pa.Table]


def write_parquet(selection: Selection, store: Store, options: ExportOptions) -> dict[str, int]:
    """Write every chosen sample: `image`, then all exported columns; return the counts of samples."""
    columns = [field for field in selection.columns if field.name not in {"dropped_by", "error"}]
    if taken := [field.name for field in columns if field.name == "image"]:
        raise PlanError(f"the run has a column {taken[0]!r}, which is where pictures go; rename it")
    schema = _for_hf(pa.schema([pa.field("image", PICTURE), *columns]), {"image": {"_type": "Image"}})

    def convert(rows: pa.Table, images: list[dict[str, Any]]) -> pa.Table:
        return pa.Table.from_arrays(
            [pa.array(images, PICTURE), *(rows[field.name].cast(field.type) for field in columns)], schema=schema
        )

    return _write(selection, store, options, Shape("parquet", schema, convert))


def write_pairs(selection: Selection, store: Store, options: ExportOptions) -> dict[str, int]:
    """Write preference pairs in TRL's explicit form: `images`, `prompt`, `chosen`, `rejected` as lists of messages."""
    return _write_pairs(selection, store, options, "trl", ())


def write_judged_pairs(selection: Selection, store: Store, options: ExportOptions) -> dict[str, int]:
    """Write the same with what was measured of each pair, as far as the run has it; see `JUDGED`."""
    measured = [field for field in selection.columns if field.name in JUDGED]
    return _write_pairs(selection, store, options, "judged_pairs", measured)


def _write_pairs(
    selection: Selection, store: Store, options: ExportOptions, format_: str, more: Sequence[pa.Field]
) -> dict[str, int]:
    schema = _for_hf(pa.schema([*_PAIR, *more]), {"images": [{"_type": "Image"}]})

    def convert(rows: pa.Table, images: list[dict[str, Any]]) -> pa.Table:
        names = ("uid", "pair_prompt", "pair_chosen", "pair_rejected")
        values = zip(*(rows[name].to_pylist() for name in names), images, strict=True)
        table = pa.Table.from_pylist([_pair(*value) for value in values], schema=pa.schema(_PAIR))
        for column in more:
            table = table.append_column(column, rows[column.name].cast(column.type))
        return table.cast(schema)

    return _write(selection, store, options, Shape(format_, schema, convert))


def _pair(uid: str, prompt: str | None, chosen: str, rejected: str, image: dict[str, Any]) -> dict[str, Any]:
    def turn(role: str, *content: dict[str, str]) -> list[dict[str, Any]]:
        return [{"role": role, "content": list(content)}]

    return {
        "uid": uid,
        "images": [image],
        "prompt": turn("user", {"type": "image"}, {"type": "text", "text": prompt or ""}),
        "chosen": turn("assistant", {"type": "text", "text": chosen}),
        "rejected": turn("assistant", {"type": "text", "text": rejected}),
    }


@dataclass(slots=True)
class Files:
    """The Parquet files of one export: opens the next when one is full; `names` lists them."""

    store: Store
    options: ExportOptions
    shape: Shape
    stack: contextlib.ExitStack
    names: list[str] = field(default_factory=list)
    rows: int = 0
    writer: Any = None

    def room(self) -> int:
        """Return how many rows may be written at once."""
        return min(GROUP_PICTURES, self.options.samples_per_shard - self.rows)

    def write(self, rows: pa.Table, images: list[dict[str, Any]]) -> str:
        """Write one row group and return the name of its file."""
        if self.writer is None:
            self.names.append(f"{self.options.name}-{len(self.names):06d}.parquet")
            stream = self.stack.enter_context(self.store.open_write(self.names[-1]))
            self.writer = self.stack.enter_context(pq.ParquetWriter(stream, self.shape.schema, compression="zstd"))
        self.writer.write_table(self.shape.convert(rows, images))
        self.rows += len(images)
        if self.rows == self.options.samples_per_shard:
            self.finish()
        return self.names[-1]

    def finish(self) -> None:
        """Close the open file, if there is one."""
        self.stack.close()
        self.writer, self.rows = None, 0


def _write(selection: Selection, store: Store, options: ExportOptions, shape: Shape) -> dict[str, int]:
    with contextlib.ExitStack() as stack:
        files = Files(store, options, shape, stack)
        counts = write_shards(store, selection, partial(_write_shard, files))
        files.finish()
    write_manifest(selection, store, [*files.names, INDEX], {"format": shape.format, **counts})
    return counts


def _write_shard(files: Files, shard: Shard, table: pa.Table, chosen: npt.NDArray[np.bool_]) -> Places:
    """Write the chosen samples of a shard in row groups; return where each of its rows went."""
    places: Places = [None] * table.num_rows
    rows = table.filter(pa.array(chosen))
    where, paths = np.flatnonzero(chosen), _paths(rows)
    taken: list[int] = []
    images: list[dict[str, Any]] = []

    def flush() -> None:
        name = files.write(rows.take(pa.array(taken)), images)
        for i, image in zip(taken, images, strict=True):
            places[where[i]] = Place(name, None, len(image["bytes"]))
        taken.clear()
        images.clear()

    for i, data in enumerate(read_images(shard, rows)):
        if isinstance(data, SampleError):
            places[where[i]] = data.code
            continue
        taken.append(i)
        images.append({"bytes": data, "path": paths[i]})
        if len(taken) == files.room():
            flush()
    if taken:
        flush()
    return places


def _paths(rows: pa.Table) -> list[str]:
    """Return a file name for each image: its uid, and the extension it has in the source."""
    members = rows["image_member"].to_pylist()
    extensions = [PurePosixPath(member or "").suffix.lower() for member in members]
    return [f"{uid}{extension}" for uid, extension in zip(rows["uid"].to_pylist(), extensions, strict=True)]


def _for_hf(schema: pa.Schema, features: dict[str, Any]) -> pa.Schema:
    return schema.with_metadata({"huggingface": json.dumps({"info": {"features": features}})})
