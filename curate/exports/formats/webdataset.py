"""Write WebDataset tars, with `sizes.json` for open_clip and `index.json` for wids.

Every sample has the same members in the same order: the image as stored, `txt`, `json`, and the kept members.
HF datasets takes member names and types from the first five samples. So the image's name is one for the whole
export: the extension of their format if they share one, else `jpg` (readers decode by content, not by name); and where
a column may be null in all of the first five, give it `features=`, or use the Parquet export, which carries types.
"""

import contextlib
import json
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from curate.errors import PlanError, SampleError
from curate.exports.images import read_images, side_members
from curate.exports.index import Location, Locations, Written, write_shards
from curate.exports.options import check_at_least_one, check_file_name
from curate.exports.selection import Selection
from curate.exports.tar import TarFiles
from curate.inspect.tables import plain
from curate.sources.shard import Shard
from curate.storage.store import Store

__all__ = ["WebDataset"]

TEXTS: Final = ("drawn_caption", "final_caption", "caption", "alt_text")
"""What the `txt` member holds by default: the first of these columns that the run has."""
OMITTED: Final = {"dropped_by", "error"}  # null for every exported sample


@dataclass(frozen=True, slots=True)
class WebDataset:
    """Writes tars of samples, each with the members image, `txt`, `json` and the kept ones, and their two indexes."""

    name: Annotated[str, "Beginning of the names of the tars."] = "samples"
    samples_per_shard: Annotated[int, "Most samples in one tar; 1,000 is what open_clip's README advises."] = 1_000
    bytes_per_shard: Annotated[int | None, "Most bytes in one tar, unless a single sample has more."] = None
    image_key: Annotated[str | None, "Name of the image's member; by default its extension, or jpg for several."] = None
    text: Annotated[
        str | None,
        "Column of the txt member; by default the drawn caption, the final one, the caption or the alt text, the first "
        "of them that the run has. Null gives an empty member.",
    ] = None
    keep_members: Annotated[
        tuple[str, ...],
        'Extensions of other members of the source to copy, as a list: ["seg.png"]. A sample without one gets an empty '
        "member.",
    ] = ()

    def __post_init__(self) -> None:
        check_file_name(self.name)
        check_at_least_one(samples_per_shard=self.samples_per_shard, bytes_per_shard=self.bytes_per_shard)
        keys = [*filter(None, [self.image_key]), "txt", "json", *self.keep_members]
        if bad := [key for key in keys if not key.replace(".", "").isalnum() or key != key.lower()]:
            raise PlanError(f"member names {bad} are not lower-case extensions such as jpg or seg.png")
        if len(set(keys)) < len(keys):
            raise PlanError(f"member names {keys} are not all different")

    def condition(self, columns: Sequence[str]) -> str | None:
        return None

    def write(self, selection: Selection, store: Store) -> Written:
        layout = _layout(selection, self)
        with contextlib.ExitStack() as stack, ThreadPoolExecutor(1) as hasher:
            tars = TarFiles(store, self.name, self.samples_per_shard, self.bytes_per_shard, stack, hasher)
            counts = write_shards(store, selection, partial(_write_shard, tars, layout))
            tars.finish()
        files = _write_indexes(store, self.name, tars.finished)
        return Written(files, counts, {"image_key": layout.image_key})


@dataclass(frozen=True, slots=True)
class Layout:
    """The members of every sample: the image's extension, the column of `txt`, the columns of `json`, the others."""

    image_key: str
    text: str
    columns: pa.Schema
    keep_members: tuple[str, ...]


def _layout(selection: Selection, options: WebDataset) -> Layout:
    formats = selection.formats()
    names = selection.columns.names
    text = options.text or next(name for name in TEXTS if name in names)
    if text not in names:
        raise PlanError(f"there is no column {text!r} for the txt member; columns: {', '.join(names)}")
    image_key = options.image_key or (formats[0] if len(formats) == 1 else "jpg")
    columns = pa.schema([column for column in selection.columns if column.name not in OMITTED])
    return Layout(image_key, text, columns, options.keep_members)


def _write_shard(
    tars: TarFiles, layout: Layout, shard: Shard, table: pa.Table, chosen: npt.NDArray[np.bool_]
) -> Locations:
    """Append the chosen samples of a shard; return where each of its rows went."""
    locations: Locations = [None] * table.num_rows
    rows = table.filter(pa.array(chosen))
    if not rows.num_rows:
        return locations
    others = [side_members(shard, rows, extension) for extension in layout.keep_members]
    streams = zip(
        np.flatnonzero(chosen),
        rows["uid"].to_pylist(),
        _texts(rows, layout),
        _documents(rows, layout.columns),
        strict=True,
    )
    for (row, uid, text, document), image, *side in zip(streams, read_images(shard, rows), *others, strict=True):
        parts = [image, text, document, *side]
        error = next((part for part in parts if isinstance(part, SampleError)), None)
        if error:
            locations[row] = error.code
        else:
            keys = [layout.image_key, "txt", "json", *layout.keep_members]
            offset = tars.add(uid, list(zip(keys, parts, strict=True)))
            locations[row] = Location(tars.name, offset, len(image))
    return locations


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


def _write_indexes(store: Store, name: str, tars: Sequence[dict[str, Any]]) -> list[str]:
    """Write what open_clip and wids read beside the tars; return the names of all these files."""
    sizes = {tar["url"]: tar["nsamples"] for tar in tars}
    wids = {"__kind__": "wids-shard-index-v1", "wids_version": 1, "name": name, "base": "", "shardlist": list(tars)}
    store.write_bytes("sizes.json", json.dumps(sizes, indent=1).encode() + b"\n")
    store.write_bytes("index.json", json.dumps(wids, indent=1).encode() + b"\n")
    return [*sizes, "index.json", "sizes.json"]


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
