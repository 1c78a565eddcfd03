"""What container formats write of a sample beside its image: a text, and a JSON document of all columns."""

import itertools
import json
from collections.abc import Callable, Iterator
from typing import Any, Final

import pyarrow as pa

from curate.errors import PlanError
from curate.exports.selection import Selection
from curate.exports.weighted import Weights, captions_of
from curate.inspect.tables import plain

__all__ = [
    "TEXTS",
    "as_json",
    "check_columns",
    "document_columns",
    "document_types",
    "documents",
    "text_column",
    "texts",
]

TEXTS: Final = ("drawn_caption", "final_caption", "caption", "alt_text")
"""What the text of a sample is by default: the first of these columns that the run has."""
OMITTED: Final = {"dropped_by", "error"}  # null for every exported sample


def text_column(selection: Selection, wanted: str | None) -> tuple[str, bool]:
    """Return the column of the text, and whether it is null for all chosen samples.

    Raises PlanError if the run has no column of the `wanted` name, or nothing in it.
    """
    names = selection.columns.names
    if wanted is not None:
        check_columns(selection, [wanted])
        return wanted, False
    candidates = [name for name in TEXTS if name in names]
    filled = selection.filled(candidates)
    return (filled or candidates)[0], not filled


def check_columns(selection: Selection, names: list[str]) -> None:
    """Raise PlanError unless the run has all these columns, with a value for some chosen sample."""
    have = selection.columns.names
    if missing := [name for name in names if name not in have]:
        raise PlanError(f"there is no column {missing[0]!r} for the text of a sample; columns: {', '.join(have)}")
    filled = selection.filled(names)
    if empty := [name for name in names if name not in filled]:
        raise PlanError(
            f"the column {empty[0]!r} for the text of a sample is null for all {selection.samples:,} samples"
        )


def document_columns(selection: Selection) -> pa.Schema:
    """Return the columns of a document."""
    return pa.schema([column for column in selection.columns if column.name not in OMITTED])


def texts(rows: pa.Table, column: str) -> Iterator[bytes]:
    """Yield a column of each row as UTF-8; null is empty, what is no text is JSON."""
    convert = plain(rows.schema.field(column).type)
    for value in map(convert, rows[column].to_pylist()):
        yield (value if isinstance(value, str) else "" if value is None else as_json(value)).encode()


def documents(rows: pa.Table, columns: pa.Schema, captions: Weights = ()) -> Iterator[bytes]:
    """Yield a JSON document of each row: every column, nulls too, always of one flat type.

    Nested values are JSON text, 64-bit unsigned numbers 16 hex digits (a reader infers int64 from the first samples).
    With weights, `captions` is the last value, a real list; see `captions_of`.
    """
    more = ({"captions": each} for each in captions_of(rows, captions)) if captions else itertools.repeat({})
    converters = {column.name: _flat(column.type) for column in columns}
    values = [rows[name].to_pylist() for name in converters]
    for row, last in zip(zip(*values, strict=True), more, strict=False):
        document = {name: convert(value) for (name, convert), value in zip(converters.items(), row, strict=True)}
        yield as_json(document | last).encode()


def document_types(columns: pa.Schema) -> pa.Schema:
    """Return the type of each value of a document, as a reader of JSON has it."""
    return pa.schema([(column.name, _json_type(column.type)) for column in columns])


def as_json(value: Any) -> str:
    """Return JSON text without spaces."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _json_type(kind: pa.DataType) -> pa.DataType:
    if pa.types.is_boolean(kind):
        return pa.bool_()
    if pa.types.is_integer(kind) and not pa.types.is_uint64(kind):
        return pa.int64()
    return pa.float64() if pa.types.is_floating(kind) else pa.string()


def _flat(kind: pa.DataType) -> Callable[[Any], Any]:
    convert = plain(kind)
    if pa.types.is_nested(kind):
        return lambda value: None if value is None else as_json(convert(value))
    if pa.types.is_uint64(kind):
        return lambda value: None if value is None else f"{value:016x}"
    return convert
