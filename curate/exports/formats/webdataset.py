"""Write WebDataset tars, with `sizes.json` for open_clip and `index.json` for wids.

Every sample has the same members in the same order: the image as stored, `txt`, `json`, and the kept members.
HF datasets takes member names and types from the first five samples. So the image's name is one for the whole
export: the extension of their format if they share one, else `jpg` (readers decode by content, not by name); and where
a column may be null in all of the first five, give it `features=`, or use the Parquet export, which carries types.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Annotated, Any, Final

import pyarrow as pa

from curate.errors import PlanError
from curate.exports.layout import Finished, Location, Part, PartFacts, Reads, Samples, Wrote
from curate.exports.options import check_at_least_one, check_file_name
from curate.exports.selection import Selection
from curate.exports.tar import TarStream
from curate.inspect.tables import plain
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
    bytes_per_shard: Annotated[
        int | None, "Most bytes of images in one tar, as the source has them, unless a single image has more."
    ] = None
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

    def layout(self, selection: Selection) -> "Tars":
        formats, names = selection.formats(), selection.columns.names
        if self.text is not None and self.text not in names:
            raise PlanError(f"there is no column {self.text!r} for the txt member; columns: {', '.join(names)}")
        candidates = [self.text] if self.text else [name for name in TEXTS if name in names]
        filled = selection.filled(candidates)
        if self.text and not filled:
            raise PlanError(
                f"the column {self.text!r} for the txt member is null for all {selection.samples:,} samples"
            )
        image_key = self.image_key or (formats[0] if len(formats) == 1 else "jpg")
        columns = pa.schema([column for column in selection.columns if column.name not in OMITTED])
        reads = Reads(self.samples_per_shard, self.bytes_per_shard, members=self.keep_members)
        return Tars(self.name, reads, image_key, (filled or candidates)[0], columns, empty=not filled)


@dataclass(frozen=True, slots=True)
class Tars:
    """Writes one tar a part; `text` is the column of `txt`, all null if `empty`, `columns` are those of `json`."""

    name: str
    reads: Reads
    image_key: str
    text: str
    columns: pa.Schema
    empty: bool

    def write(self, folder: Store, part: Part, samples: Iterator[Samples]) -> Wrote:
        file, locations = part.file(self.name, "tar"), []
        keys = [self.image_key, "txt", "json", *self.reads.members]
        with ThreadPoolExecutor(1) as hasher, folder.open_write(file) as stream:
            tar = TarStream(stream, hasher)
            for some in samples:
                uids, texts = some.rows["uid"].to_pylist(), _texts(some.rows, self.text)
                streams = (some.images, texts, _documents(some.rows, self.columns), *some.members.values())
                for uid, *contents in zip(uids, *streams, strict=True):
                    offsets = [tar.add(f"{uid}.{key}", data) for key, data in zip(keys, contents, strict=True)]
                    locations.append(Location(file, offsets[0], len(contents[0])))
            md5 = tar.finish()
        return Wrote({file: {"md5": md5, "size_bytes": tar.size_bytes, "samples": len(locations)}}, locations)

    def finish(self, folder: Store, parts: Sequence[PartFacts]) -> Finished:
        """Write what open_clip and wids read beside the tars."""
        tars = [(name, facts) for part in parts for name, facts in part.files.items()]
        sizes = {name: facts["samples"] for name, facts in tars}
        shards = [_wids_shard(name, facts) for name, facts in tars]
        wids = {
            "__kind__": "wids-shard-index-v1",
            "wids_version": 1,
            "name": self.name,
            "base": "",
            "shardlist": shards,
        }
        folder.write_bytes("sizes.json", json.dumps(sizes, indent=1).encode() + b"\n")
        folder.write_bytes("index.json", json.dumps(wids, indent=1).encode() + b"\n")
        notes = (f"txt is empty: {self.text} is null for every sample",) if self.empty else ()
        return Finished(["index.json", "sizes.json"], {"image_key": self.image_key}, notes)


def _wids_shard(name: str, facts: Mapping[str, Any]) -> dict[str, Any]:
    return {"url": name, "md5sum": facts["md5"], "nsamples": facts["samples"], "filesize": facts["size_bytes"]}


def _texts(rows: pa.Table, column: str) -> Iterator[bytes]:
    convert = plain(rows.schema.field(column).type)
    for value in map(convert, rows[column].to_pylist()):
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


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
