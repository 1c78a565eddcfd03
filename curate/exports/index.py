"""Write what describes an export: a Parquet index of every sample of the run, and the manifest."""

import functools
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from curate.exports.layout import OWN
from curate.exports.planning import PlannedPart
from curate.exports.reading import Rows
from curate.exports.selection import Selection
from curate.exports.writing import finished_part
from curate.storage.store import Store
from schemas.export_index import EXPORT_INDEX

__all__ = ["INDEX", "IndexCounts", "write_index"]

INDEX = f"{OWN}/index.parquet"
GROUP_ROWS: Final = 20_000  # rows of one row group of the index
PARTS_IN_MEMORY: Final = 512
NAMED: Final = 5  # samples that failed, of which the report tells


@dataclass(slots=True)
class IndexCounts:
    """What an index says: rows, exported samples, those that could not be read again, the first of these by name."""

    source_samples: int = 0
    samples: int = 0
    failed: int = 0
    failures: list[tuple[str, str]] = field(default_factory=list)

    def add(self, uids: pa.Array, codes: npt.NDArray[Any], exported: int) -> None:
        failed = np.flatnonzero(codes != None)  # noqa: E711 (of each)
        self.source_samples += len(codes)
        self.samples += exported
        self.failed += len(failed)
        for i in failed[: NAMED - len(self.failures)]:
            self.failures.append((uids[i].as_py(), codes[i]))


@dataclass(frozen=True, slots=True)
class _Locations:
    """Where the m chosen samples of a shard that were written or failed are: rows int64[m] and what the index says."""

    rows: npt.NDArray[Any]
    files: npt.NDArray[Any]
    offsets: npt.NDArray[np.int64]
    sizes: npt.NDArray[np.int64]
    errors: npt.NDArray[Any]
    changes: npt.NDArray[Any]


def write_index(selection: Selection, store: Store, planned: Sequence[PlannedPart]) -> IndexCounts:
    """Write the index from what the parts say; some thousand rows are in memory, and some hundred parts."""
    by_shard: dict[int, list[PlannedPart]] = {}
    for part in planned:
        for index in part.shards:
            by_shard.setdefault(index, []).append(part)
    facts = functools.lru_cache(PARTS_IN_MEMORY)(lambda key: _columns(finished_part(store, key)))
    counts, schema = IndexCounts(), index_schema(selection.columns)
    rows = Rows(selection.view, selection.connection, selection.columns.names)
    waiting: list[pa.Table] = []
    with store.open_write(INDEX) as stream, pq.ParquetWriter(stream, schema, compression="zstd") as writer:
        for i, shard in enumerate(selection.view.shards):
            found = [_located(part, i, facts(part.part.key)) for part in by_shard.get(i, [])]
            waiting.append(_index_rows(selection, rows.shard(shard), found, counts))
            if sum(table.num_rows for table in waiting) >= GROUP_ROWS:
                writer.write_table(pa.concat_tables(waiting).combine_chunks())
                waiting.clear()
        if waiting:
            writer.write_table(pa.concat_tables(waiting).combine_chunks())
    return counts


def index_schema(columns: pa.Schema) -> pa.Schema:
    """Return the schema of an export's index: EXPORT_INDEX, then every other exported column of the run."""
    return pa.schema([*EXPORT_INDEX, *(field for field in columns if field.name not in EXPORT_INDEX.names)])


def _columns(facts: dict[str, Any]) -> dict[str, Any]:
    """Return the facts of a part with arrays instead of lists."""
    names = np.array([*facts["names"], None], object)
    return {
        "files": names[np.array(facts["file"], np.int64)],  # -1 is the None at the end
        "offsets": np.array(facts["offset"], np.int64),
        "sizes": np.array(facts["size"], np.int64),
        "errors": {int(place): code for place, code in facts["errors"].items()},
        "changes": {int(place): change for place, change in facts["changes"].items()},
        "given": None if facts["given"] is None else np.array(facts["given"], np.int64),
    }


def _located(part: PlannedPart, shard: int, facts: dict[str, Any]) -> _Locations:
    """Return where the samples of one shard of the run went that are in a part."""
    n, given = len(part.rows), facts["given"]
    files, errors, changes = (np.full(n, None, object) for _ in range(3))
    offsets, sizes = np.full(n, -1), np.zeros(n, np.int64)
    places = np.arange(n) if given is None else given
    files[places], offsets[places], sizes[places] = facts["files"], facts["offsets"], facts["sizes"]
    for place, code in facts["errors"].items():
        errors[place] = code
    for place, change in facts["changes"].items():
        changes[place] = change
    mine = np.flatnonzero(part.of == part.shards.index(shard))
    return _Locations(part.rows[mine], files[mine], offsets[mine], sizes[mine], errors[mine], changes[mine])


def _index_rows(selection: Selection, table: pa.Table, found: Sequence[_Locations], counts: IndexCounts) -> pa.Table:
    """Return the index rows of a shard, and count them."""
    n, row = table.num_rows, table["row"].to_numpy()
    files, codes, changes = (np.full(n, None, object) for _ in range(3))
    offsets, sizes = np.full(n, -1), np.zeros(n, np.int64)
    for each in found:
        at = np.searchsorted(row, each.rows)
        files[at], codes[at], changes[at] = each.files, each.errors, each.changes
        offsets[at], sizes[at] = each.offsets, each.sizes
    exported, failed = files != None, codes != None  # noqa: E711 (of each)
    errors = table["error"].to_numpy(zero_copy_only=False).copy()
    dropped = table["dropped_by"].to_numpy(zero_copy_only=False).copy()
    errors[failed] = [f"export: {code}" for code in codes[failed]]
    unmatched = ~exported & (errors == None) & (dropped == None)  # noqa: E711
    dropped[unmatched] = f"where: {selection.where}"
    counts.add(table["uid"], codes, int(exported.sum()))
    own: dict[str, tuple[npt.NDArray[Any], npt.NDArray[np.bool_] | None]] = {
        "dropped_by": (dropped, None),
        "error": (errors, None),
        "export_file": (files, None),
        "export_image_offset_bytes": (offsets, offsets < 0),
        "export_image_size_bytes": (sizes, ~exported),
        "export_image_change": (changes, None),
    }
    schema = index_schema(selection.columns)
    mine = {name: pa.array(values, schema.field(name).type, mask=mask) for name, (values, mask) in own.items()}
    columns = [mine[each.name] if each.name in mine else table[each.name].cast(each.type) for each in schema]
    return pa.Table.from_arrays(columns, schema=schema)
