"""Ask SQL of several runs at once: the view `samples` with the column `run` before all others."""

from collections.abc import Sequence

import pyarrow as pa

from curate.dataset.manifest import load, run_ids
from curate.errors import PlanError
from curate.inspect.query import ask
from curate.inspect.samples_sql import Columns, columns_of, text
from curate.inspect.view import connect, quarantine_of, used_columns, view_of
from curate.storage.store import Store

__all__ = ["query_runs"]


def query_runs(store: Store, sql: str, runs: Sequence[str] | None = None) -> pa.Table:
    """Return the answer of one SELECT over `samples` of some runs, of all by default.

    A row is a sample in a run; columns that a run does not have are null in its rows. Raises PlanError as `query` does,
    and if there is no run.
    """
    found = [load(store, run) for run in (run_ids(store) if runs is None else runs)]
    if not found:
        raise PlanError(f"{store.root} is not a dataset: no run in {store.url('runs')}; give the folder of a run")
    hidden = quarantine_of(store)
    shown = [columns_of(run, hidden) for run in found]
    empty = _empty(shown)
    used = used_columns(empty, sql)
    views, parts = [], [empty]
    for each in shown:
        names = each.names()
        read = names if used is None else [name for name in names if name in used] or ["row"]
        view = view_of(store, each, read)
        views.append(view)
        parts.append(f"SELECT {text(each.run.id)} AS run, * FROM ({view.sql(view.shards, read)})")
    with connect(views, "\nUNION ALL BY NAME\n".join(parts)) as connection:
        return ask(connection, sql)


def _empty(shown: Sequence[Columns]) -> str:
    """Return a SELECT of no rows with `run` and the columns of all runs, those of the newest first."""
    each = [columns.empty() for columns in reversed(shown)]
    both = " UNION ALL BY NAME ".join(f"SELECT CAST(NULL AS VARCHAR) AS run, * FROM ({sql})" for sql in each)
    return f"SELECT * FROM ({both}) WHERE false"
