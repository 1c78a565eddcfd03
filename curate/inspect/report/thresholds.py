"""What a filter did along the column that it reads: the histogram, and who is just above and below the bound."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import duckdb
import numpy as np
import pyarrow as pa

from curate.dataset.manifest import StageRecord
from curate.inspect.report.chosen import PICKED, pick

__all__ = ["Threshold", "thresholds"]

BINS: Final = 60
NEAR: Final = 6  # samples shown on each side of the bound


@dataclass(frozen=True, slots=True)
class Threshold:
    """A filter and one column of numbers that it reads.

    `edges` (float[b + 1]) bound the bins, `passed` and `taken` (int[b]) count measured samples that the filter let
    pass and took. Of `bound` null is no single number. `below` and `above` are the samples nearest to the bound.
    """

    stage: StageRecord
    column: str
    bound: float | None
    edges: Sequence[float]
    passed: Sequence[int]
    taken: Sequence[int]
    below: pa.Table | None = None
    above: pa.Table | None = None


def thresholds(
    connection: duckdb.DuckDBPyConnection, stage: StageRecord, kinds: dict[str, pa.DataType]
) -> list[Threshold]:
    """Return one threshold per bound and numeric column of a filter, over the samples where the column is measured."""
    numbers = [name for name in stage.needs if name in kinds and _is_number(kinds[name])]
    bounds = sorted(stage.bounds.values())
    clear = len(numbers) == 1 or len(bounds) == 1  # which bound is that of which column
    pairs: list[tuple[str, float | None]] = [(name, None) for name in numbers]
    if clear and bounds:
        pairs = [(name, float(bound)) for name in numbers for bound in bounds]
    return [made for name, bound in pairs if (made := _threshold(connection, stage, name, bound))]


def _threshold(
    connection: duckdb.DuckDBPyConnection, stage: StageRecord, column: str, bound: float | None
) -> Threshold | None:
    fate = f"{stage.artefact}_dropped_by" if stage.artefact else "dropped_by"
    value = f'CAST("{column}" AS DOUBLE)'
    measured = f'"{column}" IS NOT NULL AND isfinite({value})'
    ends = connection.execute(
        f"SELECT min(v), max(v), quantile_cont(v, 0.005), quantile_cont(v, 0.995) "
        f"FROM (SELECT {value} AS v FROM samples WHERE {measured})"
    ).fetchall()[0]
    if ends[0] is None:
        return None
    edges = _edges(ends, bound)
    clipped = f"least(greatest({value}, {edges[0]!r}), {edges[-1]!r})"
    step = (edges[-1] - edges[0]) / BINS
    rows = connection.execute(
        f"SELECT least(CAST(floor(({clipped} - {edges[0]!r}) / {step!r}) AS INTEGER), {BINS - 1}) AS bin, "
        f"count(*) FILTER ({fate} IS DISTINCT FROM ?) AS passed, count(*) FILTER ({fate} = ?) AS taken "
        f"FROM samples WHERE {measured} GROUP BY bin",
        [stage.repr, stage.repr],
    ).fetchall()
    passed, taken = np.zeros(BINS, np.int64), np.zeros(BINS, np.int64)
    for bin_, kept, gone in rows:
        passed[bin_], taken[bin_] = kept, gone
    around = _around(connection, column, value, measured, bound) if bound is not None else (None, None)
    return Threshold(stage, column, bound, edges, passed.tolist(), taken.tolist(), *around)


def _edges(ends: tuple[float, ...], bound: float | None) -> list[float]:
    """Return where bins begin and end: all values but the outermost 1 %, which the outer bins hold, and the bound."""
    low, high = (ends[2], ends[3]) if ends[2] < ends[3] else (ends[0], ends[1])
    if bound is not None:
        low, high = min(low, bound), max(high, bound)
    if low == high:
        low, high = low - 0.5, high + 0.5
    return [float(edge) for edge in np.linspace(low, high, BINS + 1)]


def _around(
    connection: duckdb.DuckDBPyConnection, column: str, value: str, measured: str, bound: float
) -> tuple[pa.Table, pa.Table]:
    """Return the samples whose values are nearest to the bound, those under it and those from it on."""
    shown = f'{PICKED}, "{column}" AS value'
    below = f"SELECT {shown} FROM samples WHERE {measured} AND {value} < {bound!r} ORDER BY {value} DESC, uid"
    above = f"SELECT {shown} FROM samples WHERE {measured} AND {value} >= {bound!r} ORDER BY {value}, uid"
    return pick(connection, below, NEAR), pick(connection, above, NEAR)


def _is_number(kind: pa.DataType) -> bool:
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind))
