"""Ask SQL of a run; only the view `samples` can be read and nothing can be written."""

import duckdb
import pyarrow as pa

from curate.dataset.manifest import find_run
from curate.errors import PlanError, StoreError
from curate.inspect.samples_sql import UNFIT, columns_of
from curate.inspect.view import plain_error, quarantine_of, used_columns, view_of
from curate.storage.store import Store

__all__ = ["ask", "query"]


def query(store: Store, sql: str, run_id: str | None = None) -> pa.Table:
    """Return the answer of one SELECT over `samples` of a run, the newest by default.

    Raises PlanError if `sql` is not one SELECT that DuckDB understands, StoreError if a cell is damaged.
    """
    shown = columns_of(find_run(store, run_id), quarantine_of(store))
    columns = used_columns(shown.empty(), sql)
    with view_of(store, shown, columns).connect(columns) as connection:
        return ask(connection, sql)


def ask(connection: duckdb.DuckDBPyConnection, sql: str) -> pa.Table:
    """Run one SELECT on a connection of `open_view`; raises PlanError with the columns there are."""
    try:
        statements = connection.extract_statements(sql)
    except duckdb.Error as error:
        raise PlanError(_refusal(connection, error)) from error
    if len(statements) != 1 or statements[0].type != duckdb.StatementType.SELECT:
        raise PlanError(
            "a query is one SELECT over `samples`; nothing else is allowed, e.g. SELECT count(*) FROM samples"
        )
    try:
        return connection.sql(statements[0]).to_arrow_table()
    except duckdb.PermissionException as error:
        raise PlanError(f"a query can only read the view `samples`: {plain_error(error)}") from error
    except duckdb.Error as error:
        if isinstance(error, duckdb.IOException) or UNFIT in str(error) or ".parquet'" in str(error):
            reason = f"a cell cannot be read: {plain_error(error)}; delete the file and run again"
            raise StoreError(reason) from error
        raise PlanError(_refusal(connection, error)) from error


def _refusal(connection: duckdb.DuckDBPyConnection, error: duckdb.Error) -> str:
    columns = ", ".join(connection.sql("SELECT * FROM samples").columns)
    return f"the query does not work: {plain_error(error)}; columns of `samples`: {columns}"
