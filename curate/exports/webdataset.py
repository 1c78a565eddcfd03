"""Export as WebDataset tars, with a Parquet index, `sizes.json` for open_clip and `index.json` for wids.

Every sample has the same members in the same order: the image as stored, `txt`, `json`, and the kept members.
HF datasets takes member names and types from the first five samples. So the image's name is one for the whole
export: the extension of their format if they share one, else `jpg` (readers decode by content, not by name); and where
a column may be null in all of the first five, give it `features=`, or use the Parquet export, which carries types.
"""

import contextlib
import json
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from curate.errors import PlanError, SampleError
from curate.exports.images import read_images, side_members
from curate.exports.index import INDEX, Place, Places, write_manifest, write_shards
from curate.exports.options import ExportOptions
from curate.exports.selection import Selection
from curate.exports.tar import BLOCK, TarStream
from curate.inspect.tables import plain
from curate.sources.shard import Shard
from curate.storage.store import Store

__all__ = ["write_webdataset"]

TEXTS = ("drawn_caption", "final_caption", "caption", "alt_text")
"""What the `txt` member holds by default: the first column that there is."""
OMITTED = {"dropped_by", "error"}  # null for every exported sample


@dataclass(slots=True)
class Tars:
    """The tars of one export: opens the next when one is full; `done` lists the finished ones."""

    store: Store
    options: ExportOptions
    stack: contextlib.ExitStack
    hasher: ThreadPoolExecutor
    done: list[dict[str, Any]] = field(default_factory=list)
    samples: int = 0
    tar: TarStream | None = None

    @property
    def name(self) -> str:
        return f"{self.options.name}-{len(self.done):06d}.tar"

    def add(self, key: str, members: Sequence[tuple[str, bytes]]) -> int:
        """Append a sample and return the offset of its first member's content; call `name` after, not before."""
        size = sum(BLOCK + len(data) + -len(data) % BLOCK for _, data in members)
        limit = self.options.bytes_per_shard
        if self.tar and (
            self.samples == self.options.samples_per_shard or (limit and self.tar.size_bytes + size > limit)
        ):
            self.finish()
        if self.tar is None:
            self.tar = TarStream(self.stack.enter_context(self.store.open_write(self.name)), self.hasher)
        offsets = [self.tar.add(f"{key}.{extension}", data) for extension, data in members]
        self.samples += 1
        return offsets[0]

    def finish(self) -> None:
        """Close the open tar, if there is one."""
        if self.tar:
            md5 = self.tar.finish()
            self.stack.close()
            shard = {"url": self.name, "md5sum": md5, "nsamples": self.samples, "filesize": self.tar.size_bytes}
            self.done.append(shard)
            self.tar, self.samples = None, 0


@dataclass(frozen=True, slots=True)
class Layout:
    """The members of every sample: the image's extension, the column of `txt`, the columns of `json`, the others."""

    image_key: str
    text: str
    columns: pa.Schema
    keep_members: tuple[str, ...]


def write_webdataset(selection: Selection, store: Store, options: ExportOptions) -> dict[str, int]:
    """Write the whole export into an empty folder, its manifest last; return the counts of samples."""
    layout = _layout(selection, options)
    with contextlib.ExitStack() as stack, ThreadPoolExecutor(1) as hasher:
        tars = Tars(store, options, stack, hasher)
        counts = write_shards(store, selection, partial(_write_shard, tars, layout))
        tars.finish()
    names = _write_sidecars(store, options.name, tars.done)
    write_manifest(selection, store, names, {"format": "webdataset", "image_key": layout.image_key, **counts})
    return counts


def _layout(selection: Selection, options: ExportOptions) -> Layout:
    formats = selection.formats()
    names = selection.columns.names
    text = options.text or next(name for name in TEXTS if name in names)
    if text not in names:
        raise PlanError(f"there is no column {text!r} for the txt member; columns: {', '.join(names)}")
    image_key = options.image_key or (formats[0] if len(formats) == 1 else "jpg")
    columns = pa.schema([column for column in selection.columns if column.name not in OMITTED])
    return Layout(image_key, text, columns, options.keep_members)


def _write_shard(tars: Tars, layout: Layout, shard: Shard, table: pa.Table, chosen: npt.NDArray[np.bool_]) -> Places:
    """Append the chosen samples of a shard; return where each of its rows went, as `index_table` takes it."""
    places: Places = [None] * table.num_rows
    rows = table.filter(pa.array(chosen))
    if not rows.num_rows:
        return places
    others = [side_members(shard, rows, extension) for extension in layout.keep_members]
    streams = zip(
        np.flatnonzero(chosen),
        rows["uid"].to_pylist(),
        _texts(rows, layout),
        _documents(rows, layout.columns),
        strict=True,
    )
    for (row, uid, text, document), image, *kept in zip(streams, read_images(shard, rows), *others, strict=True):
        parts = [image, text, document, *kept]
        failed = next((part for part in parts if isinstance(part, SampleError)), None)
        if failed:
            places[row] = failed.code
        else:
            keys = [layout.image_key, "txt", "json", *layout.keep_members]
            offset = tars.add(uid, list(zip(keys, parts, strict=True)))
            places[row] = Place(tars.name, offset, len(image))
    return places


def _texts(rows: pa.Table, layout: Layout) -> Iterator[bytes]:
    convert = plain(rows.schema.field(layout.text).type)
    for value in map(convert, rows[layout.text].to_pylist()):
        yield (value if isinstance(value, str) else "" if value is None else _json(value)).encode()


def _documents(rows: pa.Table, columns: pa.Schema) -> Iterator[bytes]:
    """Yield the `json` member of each row: every column, nulls too, always of one flat type.

    Nested values are JSON text, 64-bit unsigned numbers 16 hex digits (a reader infers int64 from the first samples).
    """
    converters = {column.name: _flat(column.type) for column in columns}
    values = [rows[name].to_pylist() for name in converters]
    for row in zip(*values, strict=True):
        document = {name: convert(value) for (name, convert), value in zip(converters.items(), row, strict=True)}
        yield _json(document).encode()


def _flat(kind: pa.DataType) -> Callable[[Any], Any]:
    convert = plain(kind)
    if pa.types.is_nested(kind):
        return lambda value: None if value is None else _json(convert(value))
    if pa.types.is_uint64(kind):
        return lambda value: None if value is None else f"{value:016x}"
    return convert


def _write_sidecars(store: Store, name: str, tars: Sequence[dict[str, Any]]) -> list[str]:
    """Write what open_clip and wids read beside the tars; return the names of all files but the manifest."""
    sizes = {tar["url"]: tar["nsamples"] for tar in tars}
    wids = {"__kind__": "wids-shard-index-v1", "wids_version": 1, "name": name, "base": "", "shardlist": list(tars)}
    store.write_bytes("sizes.json", json.dumps(sizes, indent=1).encode() + b"\n")
    store.write_bytes("index.json", json.dumps(wids, indent=1).encode() + b"\n")
    return [*sizes, INDEX, "index.json", "sizes.json"]


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
