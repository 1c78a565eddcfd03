"""Write one export per value of a column: the tiers of a curriculum, languages, clusters."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import pyarrow as pa
from rich.console import Group
from rich.table import Table
from rich.text import Text

from curate.errors import PlanError
from curate.exports.export import ExportReport, export
from curate.exports.formats import Format
from curate.exports.settings import ExportSettings
from curate.inspect.query import query
from curate.inspect.view import run_view
from curate.storage.store import Store

__all__ = ["PartsReport", "export_parts"]

SETTINGS: Final = ExportSettings()
MOST_PARTS: Final = 1_000
NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}")
AXES: Final = ("difficulty", "complexity", "relevance")
"""Columns whose means are shown, beside all whose name ends in `_score`."""


@dataclass(frozen=True, slots=True)
class PartsReport:
    """What was exported for each value, with the means of the run's scores over the samples of that value."""

    column: str
    reports: Mapping[str, ExportReport]
    means: pa.Table
    without: int

    def __rich__(self) -> Group:
        scores = [name for name in self.means.column_names if name not in ("value", "samples")]
        table = Table(title=f"One export per {self.column}", title_justify="left")
        for name in (self.column, "samples", *(f"mean {score}" for score in scores), "folder"):
            table.add_column(name, justify="left" if name in (self.column, "folder") else "right")
        for (name, report), row in zip(self.reports.items(), self.means.to_pylist(), strict=True):
            means = ["" if row[score] is None else f"{row[score]:.3f}" for score in scores]
            table.add_row(Text(name), f"{report.counts['samples']:,}", *means, Text(report.out))
        rest = f"{self.without:,} kept samples have no {self.column} and are in none of them"
        return Group(table, *([Text(rest)] if self.without else []))


def export_parts(  # noqa: PLR0913 (those of export, and the column)
    store: Store,
    format: Format,
    out: str,
    column: str,
    where: str | None = None,
    run_id: str | None = None,
    settings: ExportSettings = SETTINGS,
) -> PartsReport:
    """Write the kept samples that match `where`, those of each value of `column` as an export of its own.

    Each is a folder `COLUMN-VALUE` in `out`, whole or not at all, in the order of the values; its index holds all
    samples of the run. Samples where the column is null are in none. Raises PlanError if the run has no such column, if
    it is neither text, whole numbers nor truths, has over 1,000 values, or one that cannot name a folder.
    """
    view = run_view(store, run_id)
    if column not in view.names():
        raise PlanError(f"--by {column!r}: the run has no such column; it has {', '.join(view.names())}")
    kept = _both("dropped_by IS NULL AND error IS NULL", where)
    scores = [name for name in view.names() if name in AXES or name.endswith("_score")]
    names = ", ".join(f'avg("{score}") AS "{score}"' for score in scores)
    values = f'SELECT "{column}" AS value, count(*) AS samples{", " if names else ""}{names} FROM samples WHERE {kept}'
    means = query(store, f"{values} GROUP BY 1 ORDER BY 1", run_id)
    missing = means.filter(means["value"].is_null())
    means = means.filter(means["value"].is_valid())
    parts = _conditions(column, means["value"])
    reports = {
        name: export(store, format, f"{out.rstrip('/')}/{column}-{name}", _both(condition, where), run_id, settings)
        for name, condition in parts.items()
    }
    return PartsReport(column, reports, means, sum(missing["samples"].to_pylist()))


def _both(condition: str, where: str | None) -> str:
    return f"{condition} AND (\n{where}\n)" if where else condition


def _conditions(column: str, values: pa.ChunkedArray) -> dict[str, str]:
    """Return the SQL condition of each value, by the name of its folder."""
    kind = values.type
    if not (pa.types.is_integer(kind) or pa.types.is_boolean(kind) or pa.types.is_string(kind)):
        raise PlanError(f"--by {column}: it is {kind}; give a column of text, whole numbers or truths")
    if len(values) > MOST_PARTS:
        raise PlanError(f"--by {column}: it has {len(values):,} values; at most {MOST_PARTS:,} exports are written")
    return {_folder(column, value): f'"{column}" = {_literal(value)}' for value in _plain(values)}


def _plain(values: pa.ChunkedArray) -> Sequence[Any]:
    found: Sequence[Any] = values.to_pylist()
    return found


def _folder(column: str, value: Any) -> str:
    name = str(value).lower() if isinstance(value, bool) else str(value)
    if not NAME.fullmatch(name):
        raise PlanError(f"--by {column}: the value {value!r} cannot name a folder; exclude it with --where")
    return name


def _literal(value: Any) -> str:
    return f"'{value}'" if isinstance(value, str) else str(value)  # a folder's name has no quote
