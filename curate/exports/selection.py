"""Select the samples of an export, and read the rows of a run shard by shard."""

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from curate.errors import PlanError, StoreError
from curate.inspect.query import ask
from curate.inspect.view import View, plain_error
from curate.sources.shard import Shard

__all__ = ["Selection", "select"]


@dataclass(frozen=True, slots=True)
class Selection:
    """The kept samples of a run that match a condition; `columns` are those worth exporting, with their types."""

    view: View
    connection: duckdb.DuckDBPyConnection
    where: str | None
    columns: pa.Schema

    def formats(self) -> list[str]:
        """Return the image formats among the chosen samples, as file extensions, sorted."""
        rows = self.connection.sql("SELECT DISTINCT format FROM chosen").fetchall()
        return sorted({_EXTENSIONS.get(str(name), str(name)) for (name,) in rows if name})

    def shards(self) -> Iterator[tuple[Shard, pa.Table, npt.NDArray[np.bool_]]]:
        """Yield each shard of the run: all its rows in order with `columns` and `members`, and which are chosen.

        Raises StoreError if a cell is damaged.
        """
        names = [*self.columns.names, "members"]
        for shard in self.view.shards:
            with _damage_as_error(shard.name):
                table = self.view.table(self.connection, shard, names)
            rows = self.connection.execute('SELECT "row" FROM chosen WHERE shard = ?', [shard.name]).fetchnumpy()["row"]
            yield shard, table, np.isin(table["row"].to_numpy(), rows)


@contextlib.contextmanager
def select(view: View, where: str | None = None) -> Iterator[Selection]:
    """Choose the kept samples of a run that match `where`, a SQL condition over `samples`.

    Raises PlanError if the condition does not work.
    """
    with view.connect() as connection:
        everything = ask(connection, "SELECT * FROM samples LIMIT 0").schema
        sql = _chosen(where, everything.names)
        try:
            ask(connection, f"{sql} LIMIT 0")
        except PlanError as error:
            raise PlanError(f"--where {where!r}: {error}") from error
        with _damage_as_error(view.run.id):
            connection.execute(f"CREATE TEMP TABLE chosen AS {sql} ORDER BY shard")
        columns = pa.schema([field for field in everything if _worth_exporting(field)])
        yield Selection(view, connection, where, columns)


@contextlib.contextmanager
def _damage_as_error(place: str) -> Iterator[None]:
    """Raise DuckDB's errors as StoreError: the SQL was tried before, so a cell is damaged."""
    try:
        yield
    except duckdb.Error as error:
        reason = f"a cell of {place} cannot be read: {plain_error(error)}; `curate verify --repair` and run again"
        raise StoreError(reason) from error


def _chosen(where: str | None, names: Sequence[str]) -> str:
    """Return the SELECT of shard, row and format; the condition stands alone, so that it cannot widen the choice."""
    source = f"(SELECT * FROM samples WHERE (\n{where}\n))" if where else "samples"
    extension = r"regexp_extract(image_member, '\.([A-Za-z0-9]+)$', 1)"
    format_ = f"coalesce(image_format, {extension})" if "image_format" in names else extension
    return f'SELECT shard, "row", lower({format_}) AS format FROM {source} WHERE dropped_by IS NULL AND error IS NULL'


def _worth_exporting(field: pa.Field) -> bool:
    """Tell whether trainers want a column: not embeddings, raw bytes, or where members lay in the source."""
    kind = field.type
    is_list = pa.types.is_list(kind) or pa.types.is_fixed_size_list(kind)
    embedding = is_list and pa.types.is_floating(kind.value_type)
    return not (embedding or pa.types.is_binary(kind) or field.name == "members")


_EXTENSIONS = {"jpeg": "jpg", "jpe": "jpg", "jfif": "jpg", "mpo": "jpg", "tiff": "tif"}
