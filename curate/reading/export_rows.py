"""The samples of an export, read from its index and its files."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from curate.errors import PlanError, SampleError
from curate.exports.folder import MANIFEST
from curate.exports.index import INDEX
from curate.inspect.view import plain_error
from curate.reading.rows import Numbers
from curate.storage.store import Store

__all__ = ["ExportRows", "choose_exported"]

PLACE: Final = ("export_file", "export_image_offset_bytes", "export_image_size_bytes")
IMAGE_COLUMNS: Final = ("image", "images")
PICTURES: Final = frozenset({"jpg", "jpeg", "png", "webp", "gif", "bmp", "tif", "tiff", "avif"})


@dataclass(frozen=True)
class ExportRows:
    """The chosen rows of an export, by file.

    `rows` are their rows in the index and `positions` the how-manieth exported sample of its file each is, both
    int64 and ascending in position; `groups` are the first rows of the index's row groups, and its end.
    """

    store: Store
    format: str
    schema: pa.Schema
    parts: tuple[str, ...]
    rows: tuple[Numbers, ...]
    positions: tuple[Numbers, ...]
    groups: Numbers

    @property
    def name(self) -> str:
        return f"export {self.store.root}"

    @property
    def counts(self) -> Numbers:
        return np.array([len(rows) for rows in self.rows], np.int64)

    def table(self, part: int, numbers: Numbers | None, columns: Sequence[str]) -> pa.Table:
        if unknown := [name for name in columns if name not in self.schema.names]:
            raise PlanError(f"{self.name} has no column {unknown[0]!r}; it has {', '.join(self.schema.names)}")
        rows = self.rows[part] if numbers is None else self.rows[part][numbers]
        groups = np.unique(np.searchsorted(self.groups, rows, side="right") - 1)
        with self.store.open_read(INDEX) as stream:
            table = pq.ParquetFile(stream).read_row_groups(groups.tolist(), columns=list(columns))
        sizes = np.diff(self.groups)[groups]
        starts = np.concatenate([[0], np.cumsum(sizes)])[:-1]  # where each group begins in `table`
        which = np.searchsorted(groups, np.searchsorted(self.groups, rows, side="right") - 1)
        taken = table.take(pa.array(rows - self.groups[groups][which] + starts[which]))
        return taken.select(list(columns)).cast(pa.schema([self.schema.field(name) for name in columns]))

    def images(self, part: int, numbers: Numbers) -> Iterator[bytes | SampleError]:
        name, table = self.parts[part], self.table(part, numbers, PLACE)
        offsets, sizes = (table[column].to_pylist() for column in PLACE[1:])
        if all(offset is not None for offset in offsets):
            with self.store.open_read(name) as stream:
                for offset, size in zip(offsets, sizes, strict=True):
                    stream.seek(offset)
                    data = stream.read(size)
                    yield data if len(data) == size else SampleError("truncated_image", f"{name} is cut off")
        elif name.rpartition(".")[2].lower() in PICTURES:
            yield from (self.store.read_bytes(name) for _ in numbers)
        elif name.endswith(".parquet"):
            yield from self._in_parquet(name, self.positions[part][numbers])
        else:
            raise PlanError(f"the images of an export as {self.format} are read by its own loader: docs/exports.md")

    def find(self, uid: str) -> tuple[int, int]:
        for part in range(len(self.parts)):
            position = pc.index(self.table(part, None, ["uid"])["uid"], uid).as_py()
            if position >= 0:
                return part, position
        raise KeyError(f"{self.name} has no sample {uid} among those chosen")

    def _in_parquet(self, name: str, positions: Numbers) -> Iterator[bytes | SampleError]:
        """Yield the images of rows of a Parquet file, one batch in memory at a time."""
        wanted, first = positions.tolist(), 0
        with self.store.open_read(name) as stream:
            file = pq.ParquetFile(stream)
            column = next(name for name in IMAGE_COLUMNS if name in file.schema_arrow.names)
            for batch in file.iter_batches(batch_size=32, columns=[column]):
                while wanted and wanted[0] < first + batch.num_rows:
                    value: Any = batch.column(0)[wanted.pop(0) - first].as_py()
                    yield (value[0] if isinstance(value, list) else value)["bytes"]
                first += batch.num_rows


def choose_exported(store: Store, where: str | None) -> ExportRows:
    """Choose the samples of an export that match a condition over its columns.

    Raises PlanError if the condition does not work.
    """
    with store.open_read(INDEX) as stream:
        file = pq.ParquetFile(stream)
        groups = np.cumsum([0, *(file.metadata.row_group(i).num_rows for i in range(file.num_row_groups))])
        schema = pa.schema([(field.name, field.type) for field in file.schema_arrow])
        found = _choice(file, where)
    order = np.lexsort([found["place"], found["file"]])
    files, row, chosen = found["file"][order], found["row"][order], found["chosen"][order]
    ends = np.flatnonzero(np.diff(files, append=-1)) + 1
    names, rows, positions = [], [], []
    for start, stop in zip([0, *ends[:-1]], ends, strict=True):
        inside = np.flatnonzero(chosen[start:stop])
        if len(inside):
            names.append(found["names"][files[start]])
            rows.append(row[start:stop][inside])
            positions.append(inside.astype(np.int64))
    format_ = json.loads(store.read_bytes(MANIFEST))["format"]
    return ExportRows(store, format_, schema, tuple(names), tuple(rows), tuple(positions), groups.astype(np.int64))


def _choice(file: pq.ParquetFile, where: str | None) -> dict[str, Any]:
    """Return of each exported row its file, place in it, row in the index, and whether the condition holds."""
    parts, first = [], 0
    with duckdb.connect(config={"python_enable_replacements": "false"}) as connection:
        connection.execute("SET enable_external_access = false")
        for i in range(file.num_row_groups):
            table = file.read_row_group(i)
            index = pa.array(np.arange(first, first + table.num_rows))
            connection.register("samples", table.append_column("export_index_row", index))
            sql = f"""SELECT export_file AS file, export_image_offset_bytes AS place, export_index_row AS "row",
                coalesce(({where or "true"}\n), false) AS chosen
                FROM samples WHERE export_file IS NOT NULL ORDER BY export_index_row"""
            try:
                parts.append(connection.sql(sql).to_arrow_table())
            except duckdb.Error as error:
                columns = ", ".join(table.column_names)
                raise PlanError(f"where={where!r}: {plain_error(error)}; columns: {columns}") from error
            first += table.num_rows
    if not parts:
        raise PlanError("the export has no samples")
    found = pa.concat_tables(parts).combine_chunks()
    names = found["file"].combine_chunks().dictionary_encode()
    row = found["row"].to_numpy()
    place = np.where(found["place"].is_null().to_numpy(), row, found["place"].fill_null(0).to_numpy())
    chosen = found["chosen"].to_numpy()
    return {
        "names": names.dictionary.to_pylist(),
        "file": names.indices.to_numpy(),
        "place": place,
        "row": row,
        "chosen": chosen,
    }
