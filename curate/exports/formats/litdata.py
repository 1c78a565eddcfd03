"""Write the chunks of LitData's StreamingDataset.

Written without the package: chunks in the form that all versions read, one that a PyTree loader decodes by itself.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Annotated, Any

from curate.exports.chunks import Fields, chunk_fields, chunk_reads, write_chunk
from curate.exports.layout import Finished, Part, PartFacts, Reads, Samples, Wrote
from curate.exports.options import check_at_least_one
from curate.exports.selection import Selection
from curate.storage.store import Store

__all__ = ["LitData"]


@dataclass(frozen=True, slots=True)
class LitData:
    """Writes `chunk-0-0.bin` and so on, and `index.json`; with splits a folder for each.

    A sample is a dict of `image` (bytes as stored), `text`, `uid`, and `json`, a document of all columns.
    """

    samples_per_shard: Annotated[int, "Most samples in one chunk."] = 10_000
    bytes_per_shard: Annotated[int, "Most bytes of images in one chunk; 64 MB is what LitData advises."] = 1 << 26
    text: Annotated[
        str | None,
        "Column of `text`; by default the drawn caption, the final one, the caption or the alt text, the first of them "
        "that the run has. Null is empty.",
    ] = None
    columns: Annotated[tuple[str, ...], 'Further text columns as fields of their own, as a list: ["alt_text"].'] = ()

    def __post_init__(self) -> None:
        check_at_least_one(samples_per_shard=self.samples_per_shard, bytes_per_shard=self.bytes_per_shard)
        chunk_reads(self.samples_per_shard, self.bytes_per_shard)

    def condition(self, columns: Sequence[str]) -> str | None:
        return None

    def layout(self, selection: Selection) -> "Chunks":
        fields = chunk_fields(selection, self.text, self.columns)
        return Chunks(fields, chunk_reads(self.samples_per_shard, self.bytes_per_shard))


@dataclass(frozen=True, slots=True)
class Chunks:
    """Writes one chunk a part."""

    fields: Fields
    reads: Reads

    def write(self, folder: Store, part: Part, samples: Iterator[Samples]) -> Wrote:
        name = f"chunk-0-{part.number}.bin"
        return write_chunk(folder, f"{part.split}/{name}" if part.split else name, b"", self.fields.items(samples))

    def finish(self, folder: Store, parts: Sequence[PartFacts]) -> Finished:
        """Write the index of every split."""
        files = []
        for split in dict.fromkeys(part.part.split for part in parts):
            chunks = [_chunk(*each) for part in parts if part.part.split == split for each in part.files.items()]
            index = {"chunks": chunks, "config": self._config(), "updated_at": "0"}  # a time, for caches: ours is none
            files.append(f"{split}/index.json" if split else "index.json")
            folder.write_bytes(files[-1], json.dumps(index, sort_keys=True).encode())
        notes = (f"text is empty: {self.fields.text} is null for every sample",) if self.fields.empty else ()
        return Finished(files, {}, notes)

    def _config(self) -> dict[str, Any]:
        """Return what says how an item of a chunk becomes a dict: a tree of one level, in torch's words."""
        names = self.fields.names
        leaf: dict[str, Any] = {"type": None, "context": None, "children_spec": []}
        tree = {"type": "builtins.dict", "context": json.dumps(names), "children_spec": [leaf] * len(names)}
        return {
            "chunk_bytes": self.reads.most_bytes,
            "chunk_size": None,
            "compression": None,
            "data_format": ["bytes" if name == "image" else "str" for name in names],
            "data_spec": json.dumps([1, tree]),
            "encryption": None,
            "item_loader": "PyTreeLoader",
        }


def _chunk(file: str, facts: Any) -> dict[str, Any]:
    name = PurePosixPath(file).name
    return {"chunk_bytes": facts["size_bytes"], "chunk_size": facts["samples"], "dim": None, "filename": name}
