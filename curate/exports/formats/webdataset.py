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
from curate.exports.documents import document_columns, documents, text_column, texts
from curate.exports.hashed import HashedStream
from curate.exports.layout import Finished, Location, Part, PartFacts, Reads, Samples, Wrote
from curate.exports.options import check_at_least_one, check_file_name
from curate.exports.selection import Selection
from curate.exports.tar import TarStream
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
        formats = selection.formats()
        text, empty = text_column(selection, self.text)
        image_key = self.image_key or (formats[0] if len(formats) == 1 else "jpg")
        columns = document_columns(selection)
        reads = Reads(self.samples_per_shard, self.bytes_per_shard, members=self.keep_members)
        return Tars(self.name, reads, image_key, text, columns, empty)


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
        with folder.open_write(file) as stream, HashedStream(stream) as hashed:
            tar = TarStream(hashed)
            for some in samples:
                uids, captions = some.rows["uid"].to_pylist(), texts(some.rows, self.text)
                streams = (some.images, captions, documents(some.rows, self.columns), *some.members.values())
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
        notes = (f"txt is empty: {self.text} is null for every sample",) if self.empty else ()
        return Finished(["index.json", "sizes.json"], {"image_key": self.image_key}, notes)


def _wids_shard(name: str, facts: Mapping[str, Any]) -> dict[str, Any]:
    return {"url": name, "nsamples": facts["samples"], "filesize": facts["size_bytes"]}
