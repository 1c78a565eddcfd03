"""Measure tables in memory with a corpus stage: for notebooks, tests, and pipelines over a table."""

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa

from curate.corpus.pool import Pool
from curate.errors import ContractError, SampleError
from curate.stages import Assign, CorpusStage, stage_name
from curate.storage.store import Store

__all__ = ["Assigned", "assigned", "measure_tables"]


@dataclass(frozen=True, slots=True)
class Assigned:
    """What a corpus stage measured on n rows: n values per column of `adds`, and per row its error if it has one."""

    columns: dict[str, pa.Array]
    errors: list[SampleError | None]


@dataclass(frozen=True, slots=True)
class Tables:
    """Rows of a pool that lie in memory; `images` are encoded, by uid."""

    tables: Mapping[str, pa.Table]
    needs: tuple[str, ...]
    images: Mapping[str, bytes] = field(default_factory=dict)

    def table(self, shard: str) -> pa.Table:
        return self.tables[shard].select(["uid", *self.needs])

    def payloads(self, shard: str, uids: Sequence[str]) -> Iterator[bytes | SampleError]:
        wanted = set(uids)
        for uid in self.tables[shard]["uid"].to_pylist():
            if uid in wanted:
                yield self.images.get(uid) or SampleError("missing_image", "the sample has no image")


def measure_tables(
    stage: CorpusStage, tables: Mapping[str, pa.Table], images: Mapping[str, bytes] | None = None
) -> dict[str, pa.Table]:
    """Return `uid`, the columns that the stage adds and `error_code`, row by row, for a table per shard.

    The tables have `uid` and the columns of `needs`: all their rows are the pool. `images` are encoded, by uid.

    >>> from curate.corpus.rank_fraction import RankFraction
    >>> uids = [f"{i:032x}" for i in range(4)]
    >>> scores = pa.table({"uid": uids, "clip_score": pa.array([0.1, 0.3, None, 0.2], pa.float32())})
    >>> measure_tables(RankFraction(), {"00000.tar": scores})["00000.tar"]["rank"].to_pylist()
    [2, 0, None, 1]
    """
    names = sorted(name for name in tables if tables[name].num_rows)
    with tempfile.TemporaryDirectory(prefix="curate-pool-") as folder:
        rows = Tables(tables, tuple(stage.needs), images or {})
        sizes = tuple(tables[name].num_rows for name in names)
        pool = Pool(tuple(names), sizes, rows, Store(folder), stage.resources)
        assign = stage.measure(pool)
        return {name: _as_table(stage, assign, name, pool) if name in names else _nothing(stage) for name in tables}


def assigned(stage: CorpusStage, assign: Assign, shard: str, table: pa.Table) -> Assigned:
    """Return what a stage measured on a shard as Arrow columns; raises ContractError naming what is off.

    A row with an error has no values.
    """
    n, name, measurement = table.num_rows, stage_name(stage), assign(shard, table)
    if extra := set(measurement.columns) - set(stage.adds.names):
        raise ContractError(f"{name} returned columns it does not declare: {sorted(extra)}")
    errors = list(measurement.errors or [None] * n)
    columns: dict[str, pa.Array] = {}
    failed = np.array([error is not None for error in errors], bool)
    index = pa.array(np.arange(len(errors)), mask=failed)
    for each in stage.adds:
        if each.name not in measurement.columns:
            raise ContractError(f"{name} did not return its column {each.name!r}")
        column = _as_array(measurement.columns[each.name], each.type)
        if len(column) != n or len(errors) != n:
            raise ContractError(f"{name}: {shard}: {each.name}: {len(column)} values for {n} rows")
        columns[each.name] = column.take(index) if failed.any() else column
    return Assigned(columns, errors)


def _as_array(values: Any, kind: pa.DataType) -> pa.Array:
    if isinstance(values, pa.ChunkedArray):
        values = values.combine_chunks()
    array = values if isinstance(values, pa.Array) else pa.array(values, kind)
    return array if array.type == kind else array.cast(kind)


def _as_table(stage: CorpusStage, assign: Assign, shard: str, pool: Pool) -> pa.Table:
    table = pool.table(shard)
    found = assigned(stage, assign, shard, table)
    codes = pa.array([error.code if error else None for error in found.errors], pa.string())
    return pa.table({"uid": table["uid"], **found.columns, "error_code": codes})


def _nothing(stage: CorpusStage) -> pa.Table:
    return pa.schema([("uid", pa.string()), *stage.adds, ("error_code", pa.string())]).empty_table()
