"""The view `samples`: one row per source sample of a run, all columns of all stages joined by uid."""

import json
import re
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import duckdb
import pyarrow as pa

from curate.dataset.cells import Cells
from curate.dataset.manifest import Manifest, find_run
from curate.errors import StoreError
from curate.inspect.samples_sql import QUARANTINED, UNFINISHED, Columns, columns_of
from curate.sources.shard import Shard
from curate.storage.filesystems import open_filesystem
from curate.storage.store import Store

__all__ = [
    "QUARANTINED",
    "UNFINISHED",
    "View",
    "connect",
    "open_view",
    "plain_error",
    "quarantine_of",
    "run_view",
    "used_columns",
    "view_of",
]

PRUNING = (
    "empty_result_pullup,statistics_propagation,filter_pushdown,filter_pullup"  # what would hide columns of a plan
)

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
        return self._columns().names()

    def sql(self, shards: Iterable[Shard], columns: Sequence[str] | None = None) -> str:
        """Return the SELECT over some shards of the run, columns as in `names()` unless named; rows in no order."""
        root = self._root()

        def urls(stage: str, shard: Shard) -> list[str]:
            return [f"{root}/{path}" for path in self.files[stage].get(shard.name, ())]

        return self._columns().select(shards, urls, columns)

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

    def connect(self, columns: Sequence[str] | None = None) -> duckdb.DuckDBPyConnection:
        """Open a DuckDB that holds the view `samples` and can read this run's cells, no other file, and write none.

        With `columns`, as `used_columns` finds them, the cells of no others are opened, and their values are null.
        """
        return connect([self], self.shown(columns))

    def shown(self, columns: Sequence[str] | None = None) -> str:
        """Return the SELECT of all columns, null where not asked for; at least one is read, to count rows."""
        if columns is None:
            return self.sql(self.shards)
        read, kinds = list(columns) or ["row"], self._columns().kinds()
        values = [f'"{name}"' if name in read else f'CAST(NULL AS {kind}) AS "{name}"' for name, kind in kinds.items()]
        return f"SELECT {', '.join(values)} FROM ({self.sql(self.shards, read)})"

    def _columns(self) -> Columns:
        return columns_of(self.run, self.quarantine)

    def urls(self) -> list[str]:
        """Return the files of all cells, as DuckDB is told of them."""
        root = self._root()
        return [f"{root}/{path}" for cells in self.files.values() for paths in cells.values() for path in paths]

    def _root(self) -> str:
        """Return the folder as DuckDB compares it with `allowed_paths`."""
        if self.store.is_local():
            return str(self.store.local_path())
        filesystem, remote = open_filesystem(self.store.root)
        return str(filesystem.unstrip_protocol(remote))


def connect(views: Sequence[View], samples: str) -> duckdb.DuckDBPyConnection:
    """Open a DuckDB that holds the view `samples`, a SELECT over the cells of some runs of one store, and nothing else.

    It reads no other file and writes none. Raises StoreError if cells cannot be read.
    """
    store = views[0].store
    spill = {"temp_directory": f"{tempfile.gettempdir()}/curate-duckdb"}
    connection = duckdb.connect(config=SETTINGS | spill)
    if not store.is_local():
        stages = {stage for view in views for stage, cells in view.files.items() if cells}
        connection.register_filesystem(_listed(store, stages))
    try:
        connection.execute(f"CREATE VIEW samples AS {samples}")
    except duckdb.Error as error:
        names = ", ".join(view.run.id for view in views)
        raise StoreError(f"the cells of {names} cannot be read: {plain_error(error)}") from error
    connection.execute("SET allowed_paths = ?", [sorted({url for view in views for url in view.urls()})])
    connection.execute("SET enable_external_access = false")
    connection.execute("SET lock_configuration = true")
    return connection


def _listed(store: Store, stages: Iterable[str]) -> Any:
    """Return a file system that knows the sizes of all cells: DuckDB asks for each some five times a query."""
    filesystem, root = open_filesystem(store.root, remember=True)
    for stage in stages:
        filesystem.ls(f"{root}/columns/{stage}", detail=True)
    return filesystem


def run_view(store: Store, run_id: str | None = None) -> View:
    """Find the cells of a run, the newest by default; raises PlanError if there is no such run."""
    return view_of(store, columns_of(find_run(store, run_id), quarantine_of(store)))


def view_of(store: Store, shown: Columns, columns: Sequence[str] | None = None) -> View:
    """Find the cells of a run; with `columns`, only those that these are read from."""
    run = shown.run
    shards = tuple(run.shards(store))
    names = {shard.name for shard in shards}
    cells = Cells(store)
    shards_there = cells.shards(run.sample_stage) | names  # a shard `a.1` of another run is no addition to `a`
    files = {
        stage: {shard: paths for shard, paths in cells.files(stage, shards_there).items() if shard in names}
        for stage in shown.stages(shown.names() if columns is None else columns)
    }
    return View(store, run, shards, files, shown.experts, shown.quarantine)


def used_columns(empty: str, sql: str) -> list[str] | None:
    """Return the columns of `samples` that a SELECT reads, None if it does not work: DuckDB's own plan names them.

    `empty` is a SELECT of no rows with all its columns.
    """
    with duckdb.connect(config=SETTINGS) as probe:
        probe.execute(f"CREATE TABLE samples AS {empty}")
        probe.execute(f"SET disabled_optimizers = '{PRUNING}'")
        probe.execute("SET enable_external_access = false")
        probe.execute("SET lock_configuration = true")
        try:
            (statement,) = probe.extract_statements(sql)
            if statement.type != duckdb.StatementType.SELECT:
                return None
            ((_, plan),) = probe.execute(f"EXPLAIN (FORMAT json) {statement.query}").fetchall()
        except (duckdb.Error, ValueError):
            return None
        return sorted(_scanned(json.loads(plan), {name for (name, *_) in probe.execute("DESCRIBE samples").fetchall()}))


def _scanned(nodes: Sequence[Mapping[str, Any]], names: set[str]) -> set[str]:
    """Return the columns that the scans of a plan read; a field of a struct stands for its column."""
    found: set[str] = set()
    for node in nodes:
        if node["name"].strip() == "SEQ_SCAN":
            read = node["extra_info"].get("Projections") or []
            paths = [read] if isinstance(read, str) else read
            found |= {path if path in names else path.partition(".")[0] for path in paths}
        found |= _scanned(node["children"], names)
    return found


def quarantine_of(store: Store) -> tuple[str, ...]:
    """Return the stages whose hits are never shown: block lists, of any run."""
    return tuple(sorted(name for name in store.list("columns") if name.startswith("block_list-")))


def open_view(store: Store, run_id: str | None = None) -> duckdb.DuckDBPyConnection:
    """Open a locked, read-only DuckDB with the view `samples` of a run, the newest by default."""
    return run_view(store, run_id).connect()


def plain_error(error: duckdb.Error) -> str:
    """Return DuckDB's first sentence: without the class of the error, hints and the image of the SQL."""
    return re.sub(r"^[A-Za-z ]*Error: ", "", str(error).split("\n")[0]).strip(" !.")
