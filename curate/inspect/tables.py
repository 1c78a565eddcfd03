"""Tables for people and programs: terminal, CSV, JSON, Parquet."""

import io
import json
import math
import shutil
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Literal, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
from rich.console import Console
from rich.table import Table
from rich.text import Text

__all__ = ["Format", "facts_table", "format_table", "plain", "printable", "value_text"]

Format: TypeAlias = Literal["table", "csv", "json", "parquet"]

SHOWN_ROWS = 100  # of a table in a terminal
SHOWN_CHARACTERS = 200  # of one value
NARROW = 12  # columns of a terminal a value needs; wider tables print one block a row


def format_table(table: pa.Table, kind: Format, width: int | None = None) -> bytes | str:
    """Return a table as text (`table`, `csv`, `json`: one object a line inside an array) or as Parquet bytes.

    Nested values are JSON text in CSV; binary is hex; NaN and infinities are null in JSON. `width` is the terminal's
    unless given, 120 without one.
    """
    if kind == "parquet":
        sink = io.BytesIO()
        pq.write_table(_as_text(table, lambda kind: "interval" in str(kind)), sink, compression="zstd")
        return sink.getvalue()
    if kind == "csv":
        sink = io.BytesIO()
        pa.csv.write_csv(_as_text(table, _csv_cannot_hold), sink)
        return sink.getvalue().decode()
    if kind == "json":
        return "[" + ",".join(f"\n{_json(row)}" for row in _rows(table)) + "\n]\n"
    return _terminal(table, width or shutil.get_terminal_size((120, 24)).columns)


def plain(kind: pa.DataType) -> Callable[[Any], Any]:
    """Return the function that turns values of an Arrow type into what JSON can hold.

    A float32 keeps its shortest digits (0.29, not 0.28999999165534973); NaN and infinities become null.
    """
    if pa.types.is_struct(kind):
        inner = {field.name: plain(field.type) for field in kind}
        return _or_null(lambda value: {name: convert(value[name]) for name, convert in inner.items()})
    if pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind):
        item = plain(kind.value_type)
        return _or_null(lambda value: [item(each) for each in value])
    if pa.types.is_map(kind):
        key, item = plain(kind.key_type), plain(kind.item_type)
        return _or_null(lambda value: [[key(k), item(v)] for k, v in value])
    if pa.types.is_floating(kind):
        return _number if pa.types.is_float64(kind) else _short_number
    if pa.types.is_decimal(kind):
        return _or_null(int if kind.scale == 0 else float)
    if pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_fixed_size_binary(kind):
        return _or_null(bytes.hex)
    if pa.types.is_boolean(kind) or pa.types.is_integer(kind) or _is_text(kind) or pa.types.is_null(kind):
        return _same
    return _or_null(lambda value: value.isoformat() if hasattr(value, "isoformat") else str(value))


def printable(text: str, limit: int = SHOWN_CHARACTERS) -> str:
    """Return untrusted text for a terminal: control characters (escape sequences, bidi marks) shown as U+FFFD."""
    cut = text if len(text) <= limit else f"{text[: limit - 1]}…"
    return "".join(c if c.isprintable() else " " if c in "\n\t\r" else "\ufffd" for c in cut)


def facts_table(values: Mapping[str, Any], title: str | None = None, limit: int = SHOWN_CHARACTERS) -> Table:
    """Return names and values as rows of two columns; with a title, a list takes a line for each of its items."""
    table = Table(title=title, title_justify="left", show_header=False)
    for name, value in values.items():
        table.add_row(Text(printable(name)), value_text(value, limit, lines=title is not None))
    return table


def _rows(table: pa.Table) -> Iterator[dict[str, Any]]:
    converters = {field.name: plain(field.type) for field in table.schema}
    for batch in table.to_batches(max_chunksize=10_000):
        for row in batch.to_pylist():
            yield {name: convert(row[name]) for name, convert in converters.items()}


def _as_text(table: pa.Table, chosen: Callable[[pa.DataType], bool]) -> pa.Table:
    """Return the table with the columns of some types as text: JSON, hex for binary."""
    columns = []
    for field, column in zip(table.schema, table.columns, strict=True):
        if chosen(field.type):
            values = map(plain(field.type), column.to_pylist())
            text = [None if value is None else _as_line(value) for value in values]
            columns.append(pa.array(text, pa.string()))
        else:
            columns.append(column)
    return pa.table(columns, names=table.column_names)


def _csv_cannot_hold(kind: pa.DataType) -> bool:
    return pa.types.is_nested(kind) or pa.types.is_float16(kind) or "binary" in str(kind) or "interval" in str(kind)


def _terminal(table: pa.Table, width: int) -> str:
    shown = list(_rows(table.slice(0, SHOWN_ROWS)))
    console = Console(file=io.StringIO(), width=width, color_system=None)
    if table.num_columns * NARROW <= width:
        console.print(_grid(table, shown))
    else:
        for i, row in enumerate(shown):
            console.print(Text(f"row {i + 1}"), facts_table(row))
    if table.num_rows > SHOWN_ROWS:
        console.print(Text(f"{table.num_rows - SHOWN_ROWS:,} more rows; use LIMIT, or another format to get them all"))
    return str(console.file.getvalue())  # type: ignore[attr-defined]


def _grid(table: pa.Table, rows: list[dict[str, Any]]) -> Table:
    grid = Table()
    for field in table.schema:
        numeric = pa.types.is_integer(field.type) or pa.types.is_floating(field.type) or pa.types.is_decimal(field.type)
        grid.add_column(Text(printable(field.name)), justify="right" if numeric else "left")
    for row in rows:
        grid.add_row(*(value_text(value) for value in row.values()))
    return grid


def value_text(value: Any, limit: int = SHOWN_CHARACTERS, lines: bool = False) -> Text:
    """Return a value of plain Python as untrusted text: an embedding by its length, nested values as JSON."""
    if value is None:
        return Text("null", style="dim")
    if isinstance(value, list) and len(value) > 8 and all(isinstance(item, float) for item in value):
        return Text(f"{len(value)} numbers: {value[0]}, {value[1]}, …")
    if isinstance(value, list) and lines:
        return Text("\n".join(printable(_as_line(item), limit) for item in value) or "none")
    return Text(printable(_as_line(value), limit))


def _as_line(value: Any) -> str:
    return value if isinstance(value, str) else _json(value)


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _same(value: Any) -> Any:
    return value


def _or_null(convert: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda value: None if value is None else convert(value)


def _number(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


def _short_number(value: float | None) -> float | None:
    return float(str(np.float32(value))) if value is not None and math.isfinite(value) else None


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))
