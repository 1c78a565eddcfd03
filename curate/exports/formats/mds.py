"""Write MDS shards for MosaicML streaming's StreamingDataset.

Written without the package, which a consumer test holds it to: the files are those of its own MDSWriter, byte by byte.
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

__all__ = ["Mds"]


@dataclass(frozen=True, slots=True)
class Mds:
    """Writes `shard.00000.mds` and so on, and `index.json`; with splits a folder for each, as `split=` expects.

    A sample has `image` (bytes as stored), `text`, `uid`, and `json`, a document of all columns.
    """

    samples_per_shard: Annotated[int, "Most samples in one shard."] = 10_000
    bytes_per_shard: Annotated[int, "Most bytes of images in one shard; 64 MiB is MDSWriter's default."] = 1 << 26
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

    def layout(self, selection: Selection) -> "Shards":
        fields = chunk_fields(selection, self.text, self.columns)
        return Shards(fields, chunk_reads(self.samples_per_shard, self.bytes_per_shard))


@dataclass(frozen=True, slots=True)
class Shards:
    """Writes one shard a part."""

    fields: Fields
    reads: Reads

    def write(self, folder: Store, part: Part, samples: Iterator[Samples]) -> Wrote:
        name = f"shard.{part.number:05d}.mds"
        head = json.dumps(self._config(), sort_keys=True).encode()
        return write_chunk(folder, f"{part.split}/{name}" if part.split else name, head, self.fields.items(samples))

    def finish(self, folder: Store, parts: Sequence[PartFacts]) -> Finished:
        """Write the index of every split."""
        files = []
        for split in dict.fromkeys(part.part.split for part in parts):
            shards = [shard for part in parts if part.part.split == split for shard in self._shards(part)]
            files.append(f"{split}/index.json" if split else "index.json")
            folder.write_bytes(files[-1], json.dumps({"shards": shards, "version": 2}, sort_keys=True).encode())
        notes = (f"text is empty: {self.fields.text} is null for every sample",) if self.fields.empty else ()
        return Finished(files, {}, notes)

    def _config(self) -> dict[str, Any]:
        """Return what a shard says of itself, at its head and in the index."""
        names = self.fields.names
        return {
            "version": 2,
            "format": "mds",
            "compression": None,
            "hashes": ["sha256"],
            "size_limit": self.reads.most_bytes,
            "column_names": names,
            "column_encodings": ["bytes" if name == "image" else "str" for name in names],
            "column_sizes": [None] * len(names),
        }

    def _shards(self, part: PartFacts) -> Iterator[dict[str, Any]]:
        for file, facts in part.files.items():
            raw = {"basename": PurePosixPath(file).name, "bytes": facts["size_bytes"]}
            data = {**raw, "hashes": {"sha256": facts["sha256"]}}
            yield {"samples": facts["samples"], "raw_data": data, "zip_data": None, **self._config()}
