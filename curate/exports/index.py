"""Write what describes an export: a Parquet index of every sample of the run, and the manifest."""

import contextlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from curate.exports.folder import MANIFEST
from curate.exports.selection import Selection
from curate.sources.shard import Shard
from curate.storage.store import Store
from schemas.export_index import EXPORT_INDEX

__all__ = ["INDEX", "Location", "Locations", "ShardWriter", "Written", "write_manifest", "write_shards"]

INDEX = "index.parquet"
GROUP_ROWS = 20_000  # rows of one row group of the index


@dataclass(frozen=True, slots=True)
class Location:
    """Where a sample lies in an export: file name, first byte of its image (null: not a tar), bytes of it."""

    file: str
    offset: int | None
    size_bytes: int


Locations: TypeAlias = list[Location | str | None]
"""Where the rows of a shard went: None for samples not chosen, the error code of one that could not be read again."""

ShardWriter: TypeAlias = Callable[[Shard, pa.Table, npt.NDArray[np.bool_]], Locations]
"""Exports the chosen rows of a shard (bool[n]) and returns where each of its n rows went."""


@dataclass(frozen=True, slots=True)
class Written:
    """What a format wrote: its files, the counts of `write_shards`, and what the manifest and the report add.

    `facts` stand in the manifest after the format's name; `notes` are sentences for the user.
    """

    files: Sequence[str]
    counts: Mapping[str, int]
    facts: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def write_shards(store: Store, selection: Selection, write: ShardWriter) -> dict[str, int]:
    """Let `write` export shard after shard and index what it did; return the counts of samples.

    `samples` are exported, `failed` could not be read again, `source_samples` are all of the run.
    """
    counts = dict.fromkeys(["source_samples", "samples", "failed"], 0)
    with _index_writer(store, index_schema(selection.columns)) as append:
        for shard, table, chosen in selection.shards():
            locations = write(shard, table, chosen)
            append(index_table(selection, table, locations))
            counts["source_samples"] += table.num_rows
            counts["samples"] += sum(isinstance(each, Location) for each in locations)
            counts["failed"] += sum(isinstance(each, str) for each in locations)
    return counts


def index_schema(columns: pa.Schema) -> pa.Schema:
    """Return the schema of an export's index: EXPORT_INDEX, then every other exported column of the run."""
    return pa.schema([*EXPORT_INDEX, *(field for field in columns if field.name not in EXPORT_INDEX.names)])


def index_table(selection: Selection, table: pa.Table, locations: Locations) -> pa.Table:
    """Return the index rows of a shard."""
    errors = table["error"].to_pylist()
    dropped = table["dropped_by"].to_pylist()
    for i, location in enumerate(locations):
        if isinstance(location, str):
            errors[i] = f"export: {location}"
        elif location is None and errors[i] is None and dropped[i] is None:
            dropped[i] = f"where: {selection.where}"
    exported = [location if isinstance(location, Location) else None for location in locations]
    own = {
        "dropped_by": dropped,
        "error": errors,
        "export_file": [each and each.file for each in exported],
        "export_image_offset_bytes": [each and each.offset for each in exported],
        "export_image_size_bytes": [each and each.size_bytes for each in exported],
    }
    schema = index_schema(selection.columns)
    columns = [
        pa.array(own[field.name], field.type) if field.name in own else table[field.name].cast(field.type)
        for field in schema
    ]
    return pa.Table.from_arrays(columns, schema=schema)


@contextlib.contextmanager
def _index_writer(store: Store, schema: pa.Schema) -> Iterator[Callable[[pa.Table], None]]:
    """Give a function that appends rows to the index; some thousand rows wait in memory at most."""
    with store.open_write(INDEX) as stream, pq.ParquetWriter(stream, schema, compression="zstd") as writer:
        waiting: list[pa.Table] = []

        def append(table: pa.Table) -> None:
            waiting.append(table)
            if sum(part.num_rows for part in waiting) >= GROUP_ROWS:
                flush()

        def flush() -> None:
            writer.write_table(pa.concat_tables(waiting).combine_chunks())
            waiting.clear()

        yield append
        if waiting:
            flush()


def write_manifest(selection: Selection, store: Store, format_: str, written: Written) -> None:
    """Write the last file of an export: what it is, of which run, and the names of all its files."""
    run = selection.view.run
    about = {"run": run.id, "recipe": run.recipe, "verdict": run.verdict, "where": selection.where}
    what = {"version": 1, "format": format_, **written.facts, **written.counts}
    text = json.dumps({**what, **about, "files": sorted([*written.files, INDEX])}, indent=1, ensure_ascii=False)
    store.write_bytes(MANIFEST, text.encode() + b"\n")
