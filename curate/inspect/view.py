"""The view `samples`: one row per source sample of a run, all columns of all stages joined by uid."""

import re
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import duckdb
import pyarrow as pa

from curate.dataset import manifest as manifests
from curate.dataset.cells import Cells, merge_sql
from curate.dataset.manifest import Manifest
from curate.errors import StoreError
from curate.sources.shard import Shard
from curate.storage.filesystems import open_filesystem
from curate.storage.store import Store
from schemas.block_list import BLOCK_LIST
from schemas.cell import CELL
from schemas.sample import SAMPLE
from schemas.verdict import VERDICT

__all__ = ["QUARANTINED", "UNFINISHED", "View", "open_view", "plain_error", "run_view"]

QUARANTINED = "block_list: blocked"  # `error` of a sample that a block list of another run holds
UNFINISHED = "run: unfinished"  # `error` of a sample that the run has not decided on yet: it is never exported

BLOCK_CELL = pa.schema([*CELL, *BLOCK_LIST])

SETTINGS = {  # a query may read the cells of its run and nothing else
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
    "python_enable_replacements": "false",
}


@dataclass(frozen=True, slots=True)
class View:
    """The cell files of one run, listed once: stage id -> shard name -> paths, oldest first.

    `columns` are the experts' columns in stage order, stage id -> schema; a stage without a cell gives nulls.
    """

    store: Store
    run: Manifest
    shards: tuple[Shard, ...]
    files: Mapping[str, Mapping[str, Sequence[str]]]
    columns: Mapping[str, pa.Schema]
    quarantine: tuple[str, ...] = ()  # stages whose hits are never shown: block lists, of any run

    def names(self) -> list[str]:
        """Return the columns of `samples`, in order."""
        experts = [name for schema in self.columns.values() for name in schema.names]
        return [*_BEFORE, *experts, *(gate.names[0] for gate in self._gates()), "dropped_by", "error"]

    def sql(self, shards: Iterable[Shard], columns: Sequence[str] | None = None) -> str:
        """Return the SELECT over some shards of the run, columns as in `names()` unless named; rows in no order."""
        shards = list(shards)
        tables = {stage: self._cells(stage, shards, schema) for stage, schema in self._stages().items()}
        sample, verdict = self.run.sample_stage, self.run.verdict
        experts = {
            name: self._ungated(stage, f't{i}."{name}"')
            for i, stage in enumerate(self.columns)
            for name in self.columns[stage].names
        }
        experts |= {gate.names[0]: f'v."{gate.names[0]}"' for gate in self._gates()}
        decided = f"CASE WHEN v.uid IS NULL THEN {_text(UNFINISHED)} ELSE v.error END"
        values = {name: f's."{name}"' for name in _BEFORE} | experts | {"dropped_by": "v.dropped_by", "error": decided}
        blocked = [self._cells(stage, shards, BLOCK_CELL) for stage in self.quarantine]
        if blocked:
            shown = {"uid", "shard", "key", "row", "dropped_by"}
            hidden = {name: f"CASE WHEN q.uid IS NULL THEN {value} END" for name, value in values.items()}
            hidden["error"] = f"CASE WHEN q.uid IS NULL THEN {decided} ELSE coalesce(v.error, {_text(QUARANTINED)}) END"
            values = {name: value if name in shown else hidden[name] for name, value in values.items()}
        select = ", ".join(f'{values[name]} AS "{name}"' for name in columns or self.names())
        joins = [f"LEFT JOIN ({tables[stage]}) t{i} ON t{i}.uid = s.uid" for i, stage in enumerate(self.columns)]
        return "\n".join(
            [
                f"SELECT {select}",
                f"FROM ({tables[sample]}) s",
                *_limits(shards),
                *joins,
                f"LEFT JOIN ({tables[verdict]}) v ON v.uid = s.uid",
                *_quarantined(blocked),
            ]
        )

    def table(self, connection: duckdb.DuckDBPyConnection, shard: Shard, columns: Sequence[str]) -> pa.Table:
        """Return the rows of one shard in its order."""
        return connection.sql(f'SELECT * FROM ({self.sql([shard], columns)}) ORDER BY "row"').to_arrow_table()

    def shard_table(self, shard: Shard, columns: Sequence[str]) -> pa.Table:
        """Return the rows of one shard in its order, without a connection that a process would have to keep.

        Raises StoreError if a cell is damaged.
        """
        with duckdb.connect(config=SETTINGS) as connection:
            if not self.store.is_local():
                connection.register_filesystem(open_filesystem(self.store.root, remember=True)[0])
            try:
                return self.table(connection, shard, columns)
            except duckdb.Error as error:
                reason = f"a cell of {shard.name} cannot be read: {plain_error(error)}; `curate verify --repair`"
                raise StoreError(reason) from error

    def connect(self) -> duckdb.DuckDBPyConnection:
        """Open a DuckDB that holds the view `samples` and can read this run's cells, no other file, and write none."""
        spill = {"temp_directory": f"{tempfile.gettempdir()}/curate-duckdb"}
        connection = duckdb.connect(config=SETTINGS | spill)
        if not self.store.is_local():
            connection.register_filesystem(self._listed())
        try:
            connection.execute(f"CREATE VIEW samples AS {self.sql(self.shards)}")
        except duckdb.Error as error:
            raise StoreError(f"the cells of {self.run.id} cannot be read: {plain_error(error)}") from error
        connection.execute("SET allowed_paths = ?", [self._urls()])
        connection.execute("SET enable_external_access = false")
        connection.execute("SET lock_configuration = true")
        return connection

    def _listed(self) -> Any:
        """Return a file system that knows the sizes of all cells: DuckDB asks for each some five times a query."""
        filesystem, root = open_filesystem(self.store.root, remember=True)
        for stage, cells in self.files.items():
            if cells:
                filesystem.ls(f"{root}/columns/{stage}", detail=True)
        return filesystem

    def _stages(self) -> dict[str, pa.Schema]:
        sample = pa.schema([*CELL, *SAMPLE])
        verdict = pa.unify_schemas([VERDICT, *self._gates()])
        return {self.run.sample_stage: sample, **self.columns, self.run.verdict: verdict}

    def _ungated(self, stage: str, value: str) -> str:
        """Return the SQL of a stage's column: null where a gate before it dropped what the stage looks at."""
        record = next(record for record in self.run.stages if record.id == stage)
        for gate in (self.run.stages[i] for i in record.behind):
            reasons = f"{_text(gate.repr)}, {_text(f'unmeasured: {gate.repr}')}"
            value = f'CASE WHEN v."{gate.artefact}_dropped_by" IN ({reasons}) THEN NULL ELSE {value} END'
        return value

    def _gates(self) -> list[pa.Schema]:
        """Return the column that tells what dropped it, for each artefact that a gate judges."""
        return [schema for stage in self.run.stages if stage.kind == "gate" and (schema := stage.schema()).names]

    def _urls(self) -> list[str]:
        return [self._url(path) for cells in self.files.values() for paths in cells.values() for path in paths]

    def _url(self, path: str) -> str:
        if self.store.is_local():
            return str(self.store.local_path(path))
        filesystem, remote = open_filesystem(self.store.url(path))
        return str(filesystem.unstrip_protocol(remote))  # the one spelling that DuckDB compares with `allowed_paths`

    def _cells(self, stage: str, shards: Sequence[Shard], schema: pa.Schema) -> str:
        """Return the SELECT of a stage's cells with their additions merged."""
        cells = [self.files[stage].get(shard.name, ()) for shard in shards]
        first = [self._url(paths[0]) for paths in cells if paths]
        additions = [self._url(path) for paths in cells for path in paths[1:]]
        return merge_sql(first, additions) if first else _nothing(schema)


def run_view(store: Store, run_id: str | None = None) -> View:
    """Find the cells of a run, the newest by default; raises PlanError if there is no such run."""
    run = manifests.load(store, run_id) if run_id else manifests.latest(store)
    shards = tuple(run.shards(store))
    names = {shard.name for shard in shards}
    columns = {stage.id: stage.schema() for stage in run.stages if stage.id is not None}
    cells = Cells(store)
    quarantine = tuple(sorted(name for name in store.list("columns") if name.startswith("block_list-")))
    shards_there = cells.shards(run.sample_stage) | names  # a shard `a.1` of another run is no addition to `a`
    files = {
        stage: {shard: paths for shard, paths in cells.files(stage, shards_there).items() if shard in names}
        for stage in [run.sample_stage, *columns, run.verdict, *quarantine]
    }
    return View(store, run, shards, files, columns, quarantine)


def open_view(store: Store, run_id: str | None = None) -> duckdb.DuckDBPyConnection:
    """Open a locked, read-only DuckDB with the view `samples` of a run, the newest by default."""
    return run_view(store, run_id).connect()


def plain_error(error: duckdb.Error) -> str:
    """Return DuckDB's first sentence: without the class of the error, hints and the image of the SQL."""
    return re.sub(r"^[A-Za-z ]*Error: ", "", str(error).split("\n")[0]).strip(" !.")


def _limits(shards: Sequence[Shard]) -> list[str]:
    """Return the JOIN that cuts shards of which the run takes only the first rows, if there are any."""
    if all(shard.limit is None for shard in shards):
        return []
    rows = ", ".join(f"({_text(s.name)}, {'NULL' if s.limit is None else s.limit})" for s in shards)
    return [f'JOIN (VALUES {rows}) l(shard, rows) ON l.shard = s.shard AND s."row" < coalesce(l.rows, 2147483647)']


def _quarantined(blocked: Sequence[str]) -> list[str]:
    """Return the JOIN that finds what is on a block list, if any list was ever applied."""
    hits = " UNION ".join(f"SELECT uid FROM ({cells}) WHERE error_code = 'blocked'" for cells in blocked)
    return [f"LEFT JOIN ({hits}) q ON q.uid = s.uid"] if hits else []


def _nothing(schema: pa.Schema) -> str:
    """Return a SELECT of no rows with the columns of a stage that has measured nothing."""
    empty = duckdb.from_arrow(_readable(schema).empty_table())
    columns = dict(zip(empty.columns, empty.types, strict=True)) | {"uid": "VARCHAR"}
    return "SELECT " + ", ".join(f'CAST(NULL AS {kind}) AS "{name}"' for name, kind in columns.items()) + " WHERE false"


def _readable(schema: pa.Schema) -> pa.Schema:
    """Return the schema with float16 as float32, as DuckDB reads it from Parquet: it takes no float16 from Arrow."""
    return pa.schema([(field.name, _widened(field.type)) for field in schema])


def _widened(kind: pa.DataType) -> pa.DataType:
    if pa.types.is_float16(kind):
        return pa.float32()
    if pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind):
        return pa.list_(_widened(kind.value_type))
    return kind


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


_BEFORE = ("uid", "shard", "key", "row", *(name for name in SAMPLE.names if name not in {"shard", "key"}))
