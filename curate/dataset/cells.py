"""Cells: what one stage measured on one shard. This module alone knows their files, and how later ones are merged.

`columns/<stage-id>/<shard>.parquet` has one row per sample of the shard, in its order. What is measured later (rows
that a lower threshold keeps, failures that are retried) is added in delta files, `<shard>.1.parquet`,
`<shard>.2.parquet`, which hold only their rows. Readers merge them (merge-on-read) until `curate compact` rewrites the
cell as one file.
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from curate.errors import SampleError
from curate.stages import SAMPLE_STAGE
from curate.storage.store import Store
from schemas.cell import CELL

__all__ = [
    "CellFile",
    "Cells",
    "Outcomes",
    "align",
    "cell_schema",
    "measured_table",
    "merge",
    "merge_sql",
    "parse_name",
]

SUFFIX = ".parquet"
OUTCOME = ("row", "measured", "attempt", "error_code")  # the CELL columns that say how each row stands


@dataclass(frozen=True, slots=True)
class Outcomes:
    """How a measurement went, per row: the error if there is one, and the how-many-th attempt it was."""

    errors: list[SampleError | None]
    attempt: npt.NDArray[np.int16]


def cell_schema(adds: pa.Schema) -> pa.Schema:
    """Return the schema of a stage's cells: the CELL columns, then its own, all nullable."""
    return pa.schema([*CELL, *(field.with_nullable(True) for field in adds)])


def measured_table(
    adds: pa.Schema, rows: npt.NDArray[np.int32], uids: pa.Array, columns: dict[str, pa.Array], outcomes: Outcomes
) -> pa.Table:
    """Return the cell rows of one measurement; `columns` holds n values per column of `adds`."""
    errors, attempt = outcomes.errors, outcomes.attempt
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
class CellFile:
    """One file of a cell: `addition` 0 is the first file, 1 and up are what was measured later."""

    shard: str
    addition: int
    path: str


def parse_name(name: str, shards: Collection[str]) -> tuple[str, int]:
    """Return (shard, addition) of a file name; `shards` are the names of all shards that may have files there.

    >>> [parse_name(name, {"a", "b", "b.1"}) for name in ("a.parquet", "a.12.parquet", "b.1.parquet", "c.1.parquet")]
    [('a', 0), ('a', 12), ('b.1', 0), ('c.1', 0)]
    """
    stem = name.removesuffix(SUFFIX)
    addition = None if stem in shards else _as_addition(stem)
    return addition if addition is not None and addition[0] in shards else (stem, 0)


def _as_addition(stem: str) -> tuple[str, int] | None:
    """Return (`a`, 1) of `a.1`, and None of what cannot be an addition."""
    shard, _, number = stem.rpartition(".")
    return (shard, int(number)) if number.isascii() and number.isdecimal() and number[0] != "0" else None


@dataclass(frozen=True, slots=True)
class Cells:
    """The `columns/` folder of a dataset."""

    store: Store

    def path(self, stage: str, shard: str, addition: int = 0) -> str:
        """Return where a file of a cell lies, whether it is there or not."""
        return f"columns/{stage}/{shard}{f'.{addition}' if addition else ''}{SUFFIX}"

    def stages(self) -> list[str]:
        """Return the ids of the stages that have a folder, the samples first: they say which shards there are."""
        return sorted(self.store.list("columns"), key=lambda stage: (stage != SAMPLE_STAGE, stage))

    def shards(self, stage: str) -> set[str]:
        """Return the shards that have a cell of the stage, by one listing; names of additions may be among them.

        So ask it about shards by name. Samples and verdicts have no additions.
        """
        return {name.removesuffix(SUFFIX) for name in self.store.list(f"columns/{stage}")}

    def listing(self, stage: str, shards: Collection[str] | None = None) -> list[CellFile]:
        """Return every file of a stage, sorted by shard and then oldest first.

        `shards` are the shards of the dataset; without it, those with a cell of samples or a first file here. They
        tell an addition to shard `a` from the first file of a shard that is called `a.1`.
        """
        names = [name for name in self.store.list(f"columns/{stage}") if name.endswith(SUFFIX)]
        if shards is None:
            stems = {name.removesuffix(SUFFIX) for name in names}
            shards = self.shards(SAMPLE_STAGE)
            every = shards | stems
            shards |= {stem for stem in stems if (it := _as_addition(stem)) is None or it[0] not in every}
        files = (CellFile(*parse_name(name, shards), f"columns/{stage}/{name}") for name in names)
        return sorted(files, key=lambda file: (file.shard, file.addition))

    def files(self, stage: str, shards: Collection[str] | None = None) -> dict[str, list[str]]:
        """Return the paths that make up each cell of a stage, by shard, oldest first; `shards` as for `listing`.

        A cell without its first file is none, and what comes after a gap does not count, as in `read`.
        """
        cells: dict[str, list[str]] = {}
        for file in self.listing(stage, shards):
            if file.addition == len(cells.get(file.shard, ())):
                cells.setdefault(file.shard, []).append(file.path)
        return cells

    def files_of(self, stage: str, shard: str) -> Iterator[str]:
        """Yield the files of one cell, oldest first, by asking for each: no listing of a million names."""
        addition = 0
        while self.store.exists(path := self.path(stage, shard, addition)):
            yield path
            addition += 1

    def read(self, stage: str, shard: str, only: set[str] | None = None) -> pa.Table | None:
        """Return a cell with its additions merged, sorted by row, or None if nothing was ever measured.

        With `only` it has these columns, as far as there are such, and `row`, `measured`, `attempt` and `error_code`.
        """
        columns = None if only is None else [*OUTCOME, *only]
        parts = [self.store.read_table(path, columns) for path in self.files_of(stage, shard)]
        return merge(parts) if parts else None

    def add(self, stage: str, shard: str, measured: pa.Table, sample: pa.Table, fresh: bool = False) -> None:
        """Commit a measurement: the first file with a row for every sample, or the next addition.

        With `fresh` it is the first file in any case: what is there was left by a run that was killed.
        """
        if not fresh and self.store.exists(self.path(stage, shard)):
            addition = sum(1 for _ in self.files_of(stage, shard))
            self.store.write_table(self.path(stage, shard, addition), measured)
        else:
            self.store.write_table(self.path(stage, shard), align(measured, sample))

    def compact(self, stage: str, shard: str) -> None:
        """Rewrite one cell as one file, then remove its additions, the last first."""
        files = list(self.files_of(stage, shard))
        cell = self.read(stage, shard)
        if cell is None or len(files) < 2:
            return
        self.store.write_table(files[0], cell.combine_chunks().replace_schema_metadata(None))  # not the old checksum
        for path in reversed(files[1:]):
            self.store.remove(path)


def align(measured: pa.Table, sample: pa.Table) -> pa.Table:
    """Return one row per sample: the measured ones, and unmeasured nulls for the rest.

    `measured["row"]` are positions in `sample`.
    """
    where = np.full(sample.num_rows, -1, dtype=np.int64)
    where[measured["row"].to_numpy()] = np.arange(measured.num_rows)
    rows = measured.take(pa.array(where, mask=where < 0))
    prefix = {
        "row": sample["row"],
        "uid": sample["uid"],
        "measured": pa.array(where >= 0),
        "attempt": pa.array(np.where(where >= 0, measured["attempt"].to_numpy()[where], 0), pa.int16())
        if measured.num_rows
        else pa.array(np.zeros(len(where), dtype=np.int16)),
    }
    columns = [prefix.get(field.name, rows[field.name]) for field in measured.schema]
    return pa.Table.from_arrays(columns, schema=measured.schema)


def merge(parts: Sequence[pa.Table]) -> pa.Table:
    """Merge additions into a first file: for each row the highest attempt counts, of equal ones the last.

    `parts` are oldest first and of one schema; `row` is a position in the first, which has every row. `merge_sql` is
    the same rule for DuckDB.
    """
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


def merge_sql(first: Sequence[str], additions: Sequence[str]) -> str:
    """Return a DuckDB SELECT that merges cells of one stage, of any number of shards, as `merge` does.

    Its rows are in no order. `first` are the URLs of first files, at least one, `additions` those of all additions.
    """
    if not additions:
        return f"SELECT * FROM {_parquet(first)}"
    number = r"CAST(regexp_extract(filename, '\.(\d+)\.parquet$', 1) AS INTEGER)"
    last = (
        f"SELECT * EXCLUDE (filename) FROM {_parquet(additions, named=True)} "
        f"QUALIFY row_number() OVER (PARTITION BY uid ORDER BY attempt DESC, {number} DESC) = 1"
    )
    return (
        f"WITH last AS ({last}), first AS (SELECT * FROM {_parquet(first)}) "
        "SELECT * FROM first ANTI JOIN last ON last.uid = first.uid AND last.attempt >= first.attempt "
        "UNION ALL BY NAME "
        "SELECT * FROM last ANTI JOIN first ON first.uid = last.uid AND first.attempt > last.attempt"
    )


def _parquet(urls: Sequence[str], named: bool = False) -> str:
    quoted = ", ".join("'" + url.replace("'", "''") + "'" for url in urls)
    return f"read_parquet([{quoted}], hive_partitioning = false, filename = {str(named).lower()})"
