"""Cells: what one stage measured on one shard, and what it added later."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from curate.errors import SampleError
from curate.storage.store import Store
from schemas.cell import CELL

__all__ = ["Columns", "Trouble", "cell_schema", "measured_table", "overlay"]


@dataclass(frozen=True, slots=True)
class Trouble:
    """What went wrong in a measurement, per row, and the how-many-th attempt it was."""

    errors: list[SampleError | None]
    attempt: npt.NDArray[np.int16]


def cell_schema(adds: pa.Schema) -> pa.Schema:
    """Return the schema of a stage's cells: the CELL columns, then its own, all nullable."""
    return pa.schema([*CELL, *(field.with_nullable(True) for field in adds)])


def measured_table(
    adds: pa.Schema, rows: npt.NDArray[np.int32], uids: pa.Array, columns: dict[str, pa.Array], trouble: Trouble
) -> pa.Table:
    """Return the cell rows of one measurement; `columns` holds n values per column of `adds`."""
    errors, attempt = trouble.errors, trouble.attempt
    prefix = [
        pa.array(rows, pa.int32()),
        uids,
        pa.array(np.ones(len(rows), dtype=bool)),
        pa.array([error.code if error else None for error in errors], pa.string()),
        pa.array([error.message if error else None for error in errors], pa.string()),
        pa.array(attempt, pa.int16()),
    ]
    return pa.Table.from_arrays([*prefix, *(columns[name] for name in adds.names)], schema=cell_schema(adds))


@dataclass(frozen=True, slots=True)
class Columns:
    """The `columns/` folder: `<stage-id>/<shard>.parquet`, then `.1.parquet`, `.2.parquet` for later additions.

    The first file has one row per sample of the shard in its order, later ones only the rows measured later.
    """

    store: Store

    def path(self, stage: str, shard: str, addition: int = 0) -> str:
        return f"columns/{stage}/{shard}{f'.{addition}' if addition else ''}.parquet"

    def shards(self, stage: str) -> set[str]:
        """Return the names of the shards that have a cell of the stage, by one listing."""
        return {name.removesuffix(".parquet") for name in self.store.list(f"columns/{stage}")}

    def files(self, stage: str, shard: str) -> Iterator[str]:
        """Yield the existing files of a cell, oldest first."""
        addition = 0
        while self.store.exists(path := self.path(stage, shard, addition)):
            yield path
            addition += 1

    def read(self, stage: str, shard: str, only: set[str] | None = None) -> pa.Table | None:
        """Return a cell with its additions laid over it, sorted by row, or None if nothing was ever measured."""
        columns = None if only is None else [*CELL.names, *only]
        parts = [self.store.read_table(path, columns) for path in self.files(stage, shard)]
        return overlay(parts) if parts else None

    def add(self, stage: str, shard: str, measured: pa.Table, sample: pa.Table, fresh: bool = False) -> None:
        """Commit a measurement: the first file with a row for every sample, or the next addition.

        With `fresh` it is the first file in any case: what is there was left by a run that was killed.
        """
        if not fresh and self.store.exists(self.path(stage, shard)):
            addition = sum(1 for _ in self.files(stage, shard))
            self.store.write_table(self.path(stage, shard, addition), measured)
        else:
            self.store.write_table(self.path(stage, shard), spread(measured, sample))


def spread(measured: pa.Table, sample: pa.Table) -> pa.Table:
    """Return one row per sample: the measured ones, and unmeasured nulls for the rest."""
    where = np.full(sample.num_rows, -1, dtype=np.int64)
    where[measured["row"].to_numpy()] = np.arange(measured.num_rows)
    took = measured.take(pa.array(where, mask=where < 0))
    prefix = {
        "row": sample["row"],
        "uid": sample["uid"],
        "measured": pa.array(where >= 0),
        "attempt": pa.array(np.where(where >= 0, measured["attempt"].to_numpy()[where], 0), pa.int16())
        if measured.num_rows
        else pa.array(np.zeros(len(where), dtype=np.int16)),
    }
    columns = [prefix.get(field.name, took[field.name]) for field in measured.schema]
    return pa.Table.from_arrays(columns, schema=measured.schema)


def overlay(parts: list[pa.Table]) -> pa.Table:
    """Lay later additions over the first file: for each row the highest attempt counts, of equal ones the last."""
    if len(parts) == 1:
        return parts[0]
    where = np.arange(parts[0].num_rows, dtype=np.int64)
    attempt = parts[0]["attempt"].to_numpy().copy()
    offset = parts[0].num_rows
    for part in parts[1:]:
        rows, attempts = part["row"].to_numpy(), part["attempt"].to_numpy()
        newer = attempts >= attempt[rows]
        where[rows[newer]] = offset + np.flatnonzero(newer)
        attempt[rows[newer]] = attempts[newer]
        offset += part.num_rows
    return pa.concat_tables(parts).take(pa.array(where))
