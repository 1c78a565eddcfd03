"""Write WebDataset tars, with `sizes.json` for open_clip and `index.json` for wids.

Every sample has the same members in the same order: the image as stored, `txt`, `json`, and the kept members.
HF datasets takes member names and types from the first five samples. So the image's name is one for the whole
export: the extension of their format if they share one, else `jpg` (readers decode by content, not by name); and where
a column may be null in all of the first five, give it `features=`, or use the Parquet export, which carries types.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import pyarrow as pa

from curate.errors import PlanError
from curate.exports.documents import (
    check_columns,
    document_columns,
    document_types,
    documents,
    text_column,
    texts,
)
from curate.exports.hashed import HashedStream
from curate.exports.layout import Contents, Finished, Location, Part, PartFacts, Reads, Samples, Wrote
from curate.exports.options import check_at_least_one, check_file_name
from curate.exports.parquet_files import IMAGE
from curate.exports.selection import Selection
from curate.exports.tar import TarStream
from curate.exports.weighted import CAPTIONS, Weights, filled_condition, read_weights
from curate.storage.store import Store

__all__ = ["WebDataset"]


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
    captions: Annotated[
        str | None,
        "Columns of texts with weights, e.g. caption:0.7,alt_text:0.3: the json member gets a list `captions` of "
        "column, text and weight, of which a trainer draws one. Samples with none of them are left out.",
    ] = None
    licence: Annotated[str | None, "Licence of the dataset for its card and croissant.json, e.g. CC-BY-4.0."] = None

    def __post_init__(self) -> None:
        check_file_name(self.name)
        check_at_least_one(samples_per_shard=self.samples_per_shard, bytes_per_shard=self.bytes_per_shard)
        keys = [*filter(None, [self.image_key]), "txt", "json", *self.keep_members]
        if bad := [key for key in keys if not key.replace(".", "").isalnum() or key != key.lower()]:
            raise PlanError(f"member names {bad} are not lower-case extensions such as jpg or seg.png")
        if len(set(keys)) < len(keys):
            raise PlanError(f"member names {keys} are not all different")
        read_weights(self.captions)

    def condition(self, columns: Sequence[str]) -> str | None:
        return filled_condition(read_weights(self.captions), columns)

    def layout(self, selection: Selection) -> "Tars":
        formats = selection.formats()
        text, empty = text_column(selection, self.text)
        image_key = self.image_key or (formats[0] if len(formats) == 1 else "jpg")
        columns, captions = document_columns(selection), read_weights(self.captions)
        if captions:
            check_columns(selection, [name for name, _ in captions])
            if other := [name for name, _ in captions if not pa.types.is_string(columns.field(name).type)]:
                raise PlanError(f"captions: the column {other[0]!r} is no text")
            if "captions" in columns.names:
                raise PlanError("the run has a column 'captions', where the weighted ones go; rename it")
        reads = Reads(self.samples_per_shard, self.bytes_per_shard, members=self.keep_members)
        return Tars(self.name, reads, image_key, text, columns, empty, captions, self.licence)


@dataclass(frozen=True, slots=True)
class Tars:
    """Writes one tar a part; `text` is the column of `txt`, all null if `empty`, `columns` are those of `json`."""

    name: str
    reads: Reads
    image_key: str
    text: str
    columns: pa.Schema
    empty: bool
    captions: Weights = ()
    licence: str | None = None

    def write(self, folder: Store, part: Part, samples: Iterator[Samples]) -> Wrote:
        file, locations = part.file(self.name, "tar"), []
        keys = [self.image_key, "txt", "json", *self.reads.members]
        with folder.open_write(file) as stream, HashedStream(stream) as hashed:
            tar = TarStream(hashed)
            for some in samples:
                uids, captions = some.rows["uid"].to_pylist(), texts(some.rows, self.text)
                streams = (
                    some.images,
                    captions,
                    documents(some.rows, self.columns, self.captions),
                    *some.members.values(),
                )
                for uid, *contents in zip(uids, *streams, strict=True):
                    offsets = [tar.add(f"{uid}.{key}", data) for key, data in zip(keys, contents, strict=True)]
                    locations.append(Location(file, offsets[0], len(contents[0])))
            sha256 = tar.finish()
        return Wrote({file: {"sha256": sha256, "size_bytes": tar.size_bytes, "samples": len(locations)}}, locations)

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
        notes = [f"txt is empty: {self.text} is null for every sample"] if self.empty else []
        if self.captions:
            names, weights = zip(*self.captions, strict=True)
            probabilities = " ".join(f"{weight:g}" for weight in weights)
            notes.append(f"open_clip: --json-text-key '{';'.join(names)}' --json-text-key-probs {probabilities}")
        return Finished(["index.json", "sizes.json"], {"image_key": self.image_key}, tuple(notes), self._contents())

    def _contents(self) -> Contents:
        document = document_types(self.columns)
        json_ = pa.struct([*document, *([("captions", CAPTIONS)] if self.captions else [])])
        members = [(name, pa.binary()) for name in self.reads.members]
        given = [(self.image_key, IMAGE), ("txt", pa.string()), ("json", json_), *members]
        columns = pa.schema([*given, ("__key__", pa.string()), ("__url__", pa.string())])
        return Contents(self.name, "tar", columns, document, self.image_key, self.licence)


def _wids_shard(name: str, facts: Mapping[str, Any]) -> dict[str, Any]:
    return {"url": name, "nsamples": facts["samples"], "filesize": facts["size_bytes"]}
