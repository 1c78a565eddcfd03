"""What a gallery asks of a run: the plain columns in a table of its own, the others where they are stored."""

import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final

import duckdb
import numpy as np
import pyarrow as pa

from curate.errors import PlanError, StoreError
from curate.inspect.samples_sql import text
from curate.inspect.view import SETTINGS, View, plain_error
from curate.sources.shard import Shard

__all__ = ["Frame", "open_frame"]

SECONDS: Final = 30.0  # a question that takes longer is interrupted
LONG: Final = ("metadata", "_hints", "_prompt", "_parameters", "_chosen", "_rejected", "_sha256")  # how names end
NESTED: Final = ("[", "STRUCT", "MAP", "UNION", "BLOB")
SHARDS: Final = 16  # read at a time
MOST_HITS: Final = 8  # conditions over nested columns that are remembered
LIMITS: Final = {"memory_limit": "2GB"}  # of the table's database; more is read from its file


@dataclass(frozen=True, slots=True)
class Frame:
    """The samples of a run in the order of shard and row.

    The table `frame` has `n`, the place in that order, `stopped` (which stage ended the sample's way: its index, or
    null of one that is kept) and the columns of `kinds`, name -> DuckDB's type. It lies in `folder`, which goes with
    the process. `samples` is a connection of `View.connect` for all columns. Neither can read another file.
    """

    view: View
    table: duckdb.DuckDBPyConnection
    samples: duckdb.DuckDBPyConnection
    kinds: Mapping[str, str]
    size: int
    shards: Mapping[str, Shard] = field(repr=False)
    folder: tempfile.TemporaryDirectory[str] = field(repr=False)
    hits: dict[str, str] = field(default_factory=dict, repr=False)  # condition -> table of the samples that match
    lock: Any = field(default_factory=threading.Lock, repr=False)

    def ask(self, sql: str, values: Sequence[Any] = ()) -> pa.Table:
        """Return the answer of one SELECT over `frame`; raises PlanError if it does not work or takes too long."""
        return _ask(self.table, sql, values)

    def ask_samples(self, sql: str, values: Sequence[Any] = ()) -> pa.Table:
        """Return the answer of one SELECT over the view `samples`: slower, with every column."""
        return _ask(self.samples, sql, values)

    def matches(self, where: str) -> str:
        """Return the table with the `n` of all samples for which a condition over any columns holds.

        The latest are kept, so that only their first page has to wait.
        """
        with self.lock:
            if where not in self.hits:
                found = self.ask_samples(f"SELECT uid FROM samples WHERE ({where}\n)")
                name = f"hits_{len(self.hits)}"
                if len(self.hits) >= MOST_HITS:
                    name = self.hits.pop(next(iter(self.hits)))
                self.table.register("found", found)
                self.table.execute(f"CREATE OR REPLACE TABLE {name} AS SELECT n FROM frame SEMI JOIN found USING (uid)")
                self.table.unregister("found")
                self.hits[where] = name
            return self.hits[where]

    def close(self) -> None:
        """Close the databases and remove the folder."""
        self.table.close()
        self.samples.close()
        self.folder.cleanup()

    def rows(self, numbers: Sequence[int], columns: Sequence[str]) -> list[dict[str, Any]]:
        """Return columns of some samples, named by `n`, in the order given."""
        named = ", ".join(f'"{name}"' for name in dict.fromkeys(["n", *columns]))
        wanted = ", ".join(str(int(number)) for number in numbers) or "NULL"
        found = {row["n"]: row for row in self.ask(f"SELECT {named} FROM frame WHERE n IN ({wanted})").to_pylist()}
        return [found[number] for number in numbers if number in found]

    def find(self, uid: str) -> dict[str, Any]:
        """Return n, shard and row of a sample; raises PlanError if the run has none of that uid."""
        rows = self.ask('SELECT n, uid, shard, "row" FROM frame WHERE uid = ?', [uid]).to_pylist()
        if not rows:
            raise PlanError(f"run {self.view.run.id} has no sample {uid[:40]}")
        return dict(rows[0])

    def sample(self, uid: str) -> pa.Table:
        """Return all columns of a sample, one row; raises PlanError if the run has none of that uid."""
        shard = self.shards[self.find(uid)["shard"]]
        return self.ask_samples(f"SELECT * FROM ({self.view.sql([shard])}) WHERE uid = ?", [uid])


def open_frame(view: View) -> Frame:
    """Read the plain columns of a run, some shards at a time; raises StoreError if a cell is damaged.

    What a run that is still at work adds later is not seen.
    """
    samples = view.connect()
    folder = tempfile.TemporaryDirectory(prefix="curate-view-", ignore_cleanup_errors=True)
    spill = {"temp_directory": f"{folder.name}/spill"}
    table = duckdb.connect(f"{folder.name}/frame.duckdb", config=SETTINGS | LIMITS | spill)
    shards = {shard.name: shard for shard in sorted(view.shards, key=lambda shard: shard.name)}
    try:
        described = samples.execute("DESCRIBE samples").fetchall()
        kinds = {name: kind for name, kind, *_ in described if _is_plain(name, kind)}
        columns = ", ".join(f'"{name}" {kind}' for name, kind in kinds.items())
        table.execute(f"CREATE TABLE frame (n INTEGER, stopped SMALLINT, {columns})")
        size = _fill(view, samples, table, list(kinds))
    except duckdb.Error as error:
        raise StoreError(f"the cells of {view.run.id} cannot be read: {plain_error(error)}") from error
    table.execute("SET enable_external_access = false")
    table.execute("SET lock_configuration = true")
    return Frame(view, table, samples, kinds, size, shards, folder)


def _fill(
    view: View, samples: duckdb.DuckDBPyConnection, table: duckdb.DuckDBPyConnection, columns: Sequence[str]
) -> int:
    """Copy the columns of all samples into the table and return how many there are."""
    shards = sorted(view.shards, key=lambda shard: shard.name)
    stopped, size = _stopped(view), 0
    table.execute("BEGIN")  # one transaction, so that nothing is written and synced twice
    for at in range(0, len(shards), SHARDS):
        named = ", ".join(f'"{name}"' for name in columns)
        sql = view.sql(shards[at : at + SHARDS], columns)
        part = samples.sql(f'SELECT {stopped} AS stopped, {named} FROM ({sql}) ORDER BY shard, "row"').to_arrow_table()
        numbers = pa.array(np.arange(size, size + part.num_rows, dtype=np.int32))
        table.register("part", part.add_column(0, "n", [numbers]))
        table.execute("INSERT INTO frame SELECT * FROM part")
        table.unregister("part")
        size += part.num_rows
    table.execute("COMMIT")
    return size


def _ask(connection: duckdb.DuckDBPyConnection, sql: str, values: Sequence[Any]) -> pa.Table:
    with _cursor(connection) as cursor:
        statements = cursor.extract_statements(sql)
        if len(statements) != 1 or statements[0].type != duckdb.StatementType.SELECT:
            raise PlanError("a condition is one expression over the columns, e.g. clip_score > 0.3")
        return cursor.sql(statements[0], params=list(values)).to_arrow_table()


@contextmanager
def _cursor(connection: duckdb.DuckDBPyConnection) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open a cursor that is interrupted in time; what DuckDB refuses is one sentence."""
    cursor = connection.cursor()
    clock = threading.Timer(SECONDS, cursor.interrupt)
    clock.start()
    try:
        yield cursor
    except duckdb.InterruptException as error:
        raise PlanError(f"the question took more than {SECONDS:.0f} s and was stopped; ask for less") from error
    except duckdb.Error as error:
        if isinstance(error, duckdb.IOException) or "/columns/" in str(
            error
        ):  # one that is gone is looked for as a folder
            raise StoreError(f"a cell of the run cannot be read: {plain_error(error)}; was it removed?") from error
        if isinstance(error, duckdb.PermissionException):
            raise PlanError(f"a condition reads the samples and nothing else: {plain_error(error)}") from error
        raise PlanError(f"the question does not work: {plain_error(error)}") from error
    finally:
        clock.cancel()
        cursor.close()


def _is_plain(name: str, kind: str) -> bool:
    return not name.endswith(LONG) and not any(mark in kind for mark in NESTED)


def _stopped(view: View) -> str:
    """Return the SQL of the index of the stage that dropped a sample or failed on it; -1 is the source."""
    labels = view.run.labels()
    cases = []
    for i, stage in enumerate(view.run.stages):
        if stage.kind == "filter":
            reasons = f"{text(stage.repr)}, {text(f'unmeasured: {stage.repr}')}"
            cases.append(f"WHEN dropped_by IN ({reasons}) THEN {i}")
        elif stage.id is not None:
            cases.append(f"WHEN starts_with(error, {text(f'{labels[stage.id]}: ')}) THEN {i}")
    return f"CASE {' '.join(cases)} WHEN error IS NOT NULL THEN -1 WHEN dropped_by IS NOT NULL THEN 32767 END"
