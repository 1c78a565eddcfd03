"""Write Parquet files with the images inside, as HF datasets stores them.

Each file carries HF's feature metadata, which makes `load_dataset("parquet", ...)` decode the images. `datasets` is not
a dependency: tests compare the metadata and the Arrow schema with what it writes, they do not read files back with it.
"""

import contextlib
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from curate.errors import SampleError
from curate.exports.images import image_extensions, read_images
from curate.exports.index import Location, Locations, Written, write_shards
from curate.exports.selection import Selection
from curate.sources.shard import Shard
from curate.storage.store import Store

__all__ = ["IMAGE", "ParquetLayout", "with_features", "write_files"]

GROUP_IMAGES = 100  # images of a row group: all that is in memory, and what the Hub's viewer advises
IMAGE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])


@dataclass(frozen=True, slots=True)
class ParquetLayout:
    """How an export is cut into files, their schema, and how rows and images of one row group become a table of it.

    Images are `{"bytes": ..., "path": ...}`, one a row.
    """

    name: str
    samples_per_file: int
    schema: pa.Schema
    convert: Callable[[pa.Table, list[dict[str, Any]]], pa.Table]


def with_features(schema: pa.Schema, features: dict[str, Any]) -> pa.Schema:
    """Return the schema with HF's metadata: the features that Arrow types do not tell."""
    return schema.with_metadata({"huggingface": json.dumps({"info": {"features": features}})})


def write_files(selection: Selection, store: Store, layout: ParquetLayout) -> Written:
    """Write the chosen samples as NAME-000000.parquet and so on."""
    with contextlib.ExitStack() as stack:
        files = _Files(store, layout, stack)
        counts = write_shards(store, selection, partial(_write_shard, files))
        files.finish()
    return Written(files.names, counts)


@dataclass(slots=True)
class _Files:
    """The Parquet files of one export: opens the next when one is full; `names` lists them."""

    store: Store
    layout: ParquetLayout
    stack: contextlib.ExitStack
    names: list[str] = field(default_factory=list)
    rows: int = 0
    writer: Any = None

    def room(self) -> int:
        """Return how many rows may be written at once."""
        return min(GROUP_IMAGES, self.layout.samples_per_file - self.rows)

    def write(self, rows: pa.Table, images: list[dict[str, Any]]) -> str:
        """Write one row group and return the name of its file."""
        if self.writer is None:
            self.names.append(f"{self.layout.name}-{len(self.names):06d}.parquet")
            stream = self.stack.enter_context(self.store.open_write(self.names[-1]))
            self.writer = self.stack.enter_context(pq.ParquetWriter(stream, self.layout.schema, compression="zstd"))
        self.writer.write_table(self.layout.convert(rows, images))
        self.rows += len(images)
        if self.rows == self.layout.samples_per_file:
            self.finish()
        return self.names[-1]

    def finish(self) -> None:
        """Close the open file, if there is one."""
        self.stack.close()
        self.writer, self.rows = None, 0


def _write_shard(files: _Files, shard: Shard, table: pa.Table, chosen: npt.NDArray[np.bool_]) -> Locations:
    """Write the chosen samples of a shard in row groups; return where each of its rows went."""
    locations: Locations = [None] * table.num_rows
    rows = table.filter(pa.array(chosen))
    positions = np.flatnonzero(chosen)
    paths = [f"{uid}{end}" for uid, end in zip(rows["uid"].to_pylist(), image_extensions(rows), strict=True)]
    group: list[int] = []
    images: list[dict[str, Any]] = []

    def flush() -> None:
        name = files.write(rows.take(pa.array(group)), images)
        for i, image in zip(group, images, strict=True):
            locations[positions[i]] = Location(name, None, len(image["bytes"]))
        group.clear()
        images.clear()

    for i, data in enumerate(read_images(shard, rows)):
        if isinstance(data, SampleError):
            locations[positions[i]] = data.code
            continue
        group.append(i)
        images.append({"bytes": data, "path": paths[i]})
        if len(group) == files.room():
            flush()
    if group:
        flush()
    return locations
