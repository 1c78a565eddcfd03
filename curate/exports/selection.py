"""Select the samples of an export, and read the rows of a run shard by shard."""

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from curate.errors import PlanError, StoreError
from curate.exports.pictures import Pictures, box_columns
from curate.inspect.query import ask
from curate.inspect.view import View, plain_error

__all__ = ["Chosen", "Selection", "damage_as_error", "select"]

PICTURES: Final = Pictures()


@dataclass(frozen=True, slots=True)
class Chosen:
    """The chosen samples of a shard in its order: rows int32[n], bytes of the images int64[n], uids."""

    rows: npt.NDArray[np.int32]
    sizes: npt.NDArray[np.int64]
    uids: npt.NDArray[Any]


@dataclass(frozen=True, slots=True)
class Selection:
    """The kept samples of a run that match a condition; `columns` are those worth exporting, with their types.

    `samples` is their number, never 0. `pictures` says what is done to images; `boxes` are the columns that tell it
    what to blur.
    """

    view: View
    connection: duckdb.DuckDBPyConnection
    where: str | None
    columns: pa.Schema
    samples: int
    pictures: Pictures
    boxes: tuple[str, ...]

    def formats(self) -> list[str]:
        """Return the image formats that the chosen samples may have in the export, as file extensions, sorted."""
        rows = self.connection.sql("SELECT DISTINCT format FROM chosen").fetchall() if not self.pictures.encode else []
        stored = {_EXTENSIONS.get(str(name), str(name)) for (name,) in rows if name}
        return sorted(stored | ({self.pictures.extension} if self.pictures.changes else set()))

    def filled(self, names: Sequence[str]) -> list[str]:
        """Return those of some columns that have a value for at least one of the chosen samples."""
        counts = ", ".join(f'count(s."{name}") AS "{name}"' for name in names)
        join = 'samples s JOIN chosen c ON s.shard = c.shard AND s."row" = c."row"'
        with damage_as_error(self.view.run.id):
            (row,) = self.connection.sql(f"SELECT {counts} FROM {join}").fetchall() if names else ((),)
        return [name for name, count in zip(names, row, strict=True) if count]

    def chosen(self, index: int) -> Chosen:
        """Return the chosen samples of a shard of the run."""
        sql = 'SELECT "row", size, uid FROM chosen WHERE shard = ? ORDER BY "row"'
        found = self.connection.execute(sql, [self.view.shards[index].name]).fetchnumpy()
        return Chosen(found["row"].astype(np.int32), found["size"].astype(np.int64), found["uid"].astype(object))


@contextlib.contextmanager
def select(view: View, where: str | None = None, pictures: Pictures = PICTURES) -> Iterator[Selection]:
    """Choose the kept samples of a run that match `where`, a SQL condition over `samples`.

    Raises PlanError if the condition does not work, or nothing is left to export.
    """
    with view.connect() as connection:
        everything = ask(connection, "SELECT * FROM samples LIMIT 0").schema
        sql = _chosen(where, everything.names)
        try:
            ask(connection, f"{sql} LIMIT 0")
        except PlanError as error:
            raise PlanError(f"--where {where!r}: {error}") from error
        with damage_as_error(view.run.id):
            connection.execute(f"CREATE TEMP TABLE chosen AS {sql} ORDER BY shard")
        columns = pa.schema([field for field in everything if _worth_exporting(field)])
        (samples,) = connection.sql("SELECT count(*) FROM chosen").fetchall()[0]
        if not samples:
            raise PlanError(_nothing(view, connection, where))
        boxes = box_columns(pictures.blur, everything)
        yield Selection(view, connection, where, columns, samples, pictures, boxes)


def _nothing(view: View, connection: duckdb.DuckDBPyConnection, where: str | None) -> str:
    (kept,) = connection.sql("SELECT count(*) FROM samples WHERE dropped_by IS NULL AND error IS NULL").fetchall()[0]
    if kept:
        return f"none of the {kept:,} kept samples matches the condition {where!r}: nothing is exported"
    return f"the run {view.run.id} keeps no sample: nothing is exported; `curate status` says which filter dropped them"


@contextlib.contextmanager
def damage_as_error(place: str) -> Iterator[None]:
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
    columns = f'shard, "row", uid, coalesce(image_size_bytes, 0) AS size, lower({format_}) AS format'
    return f"SELECT {columns} FROM {source} WHERE dropped_by IS NULL AND error IS NULL"


def _worth_exporting(field: pa.Field) -> bool:
    """Tell whether trainers want a column: not embeddings, raw bytes, or where members lay in the source."""
    kind = field.type
    is_list = pa.types.is_list(kind) or pa.types.is_fixed_size_list(kind)
    embedding = is_list and pa.types.is_floating(kind.value_type)
    return not (embedding or pa.types.is_binary(kind) or field.name == "members")


_EXTENSIONS = {"jpeg": "jpg", "jpe": "jpg", "jfif": "jpg", "mpo": "jpg", "tiff": "tif"}
