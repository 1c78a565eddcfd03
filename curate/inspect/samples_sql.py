"""The SQL of the view `samples`: which cells a column takes, and how the cells of a shard come beside each other.

The cells of a shard have its rows in its order, so most are laid side by side without comparing a uid. Where a cell has
additions, or a run takes only the first rows of a shard, they are joined by uid.
"""

import os
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import pyarrow as pa

from curate.dataset.cells import merge_sql
from curate.dataset.manifest import Manifest
from curate.sources.shard import Shard
from schemas.block_list import BLOCK_LIST
from schemas.cell import CELL
from schemas.sample import SAMPLE
from schemas.verdict import VERDICT

__all__ = ["QUARANTINED", "UNFINISHED", "UNFIT", "Columns", "columns_of", "text"]

QUARANTINED = "block_list: blocked"  # `error` of a sample that a block list of another run holds
UNFINISHED = "run: unfinished"  # `error` of a sample that the run has not decided on yet: it is never exported
UNFIT = "a cell does not fit the rows of its samples"  # what a query says that meets one

BLOCK_CELL = pa.schema([*CELL, *BLOCK_LIST])
SHOWN = frozenset({"uid", "shard", "key", "row", "dropped_by"})  # what is told of a sample in quarantine
BEFORE = ("uid", "shard", "key", "row", *(name for name in SAMPLE.names if name not in {"shard", "key"}))

KINDS = {  # of DuckDB, by the name that Arrow gives a type without parts
    **dict.fromkeys(("string", "large_string"), "VARCHAR"),
    **dict.fromkeys(("binary", "large_binary"), "BLOB"),
    **dict.fromkeys(("halffloat", "float"), "FLOAT"),
    **{f"int{bits}": name for bits, name in ((8, "TINYINT"), (16, "SMALLINT"), (32, "INTEGER"), (64, "BIGINT"))},
    **{f"uint{bits}": name for bits, name in ((8, "UTINYINT"), (16, "USMALLINT"), (32, "UINTEGER"), (64, "UBIGINT"))},
    "bool": "BOOLEAN",
    "double": "DOUBLE",
    "date32[day]": "DATE",
    "null": "INTEGER",
}

Cells = Callable[[str, Shard], Sequence[str]]  # the URLs of the files of a cell, the oldest first


@dataclass(frozen=True, slots=True)
class Value:
    """The SQL of a column and the stages whose cells it reads, beside the samples."""

    sql: str
    stages: frozenset[str]


@dataclass(frozen=True, slots=True)
class Columns:
    """The columns of `samples` in a run; `quarantine` names the block lists whose hits are never shown.

    `experts` are what each stage adds, in order, by its id; `gates` the column that tells what dropped an artefact, for
    each that a gate judges. See `columns_of`.
    """

    run: Manifest
    quarantine: tuple[str, ...]
    experts: Mapping[str, pa.Schema]
    gates: tuple[pa.Schema, ...]

    def names(self) -> list[str]:
        """Return all of them, in order."""
        experts = [name for schema in self.experts.values() for name in schema.names]
        return [*BEFORE, *experts, *(gate.names[0] for gate in self.gates), "dropped_by", "error"]

    def kinds(self) -> dict[str, str]:
        """Return DuckDB's type of each column, in order."""
        schemas = self._schemas()
        own = pa.unify_schemas([schemas[self.run.sample_stage], schemas[self.run.verdict]])
        stages = [schema for stage, schema in schemas.items() if stage in self.experts]
        types = {field.name: _kind(field.type) for schema in [own, *stages] for field in schema}
        return {name: types[name] for name in self.names()}

    def stages(self, names: Iterable[str]) -> list[str]:
        """Return the stages whose cells some columns are read from: the samples first, block lists last."""
        values = self._values()
        needed = {stage for name in names for stage in values[name].stages}
        order = dict.fromkeys([*self.experts, self.run.verdict, *self.quarantine])
        return [self.run.sample_stage, *(stage for stage in order if stage in needed)]

    def select(self, shards: Iterable[Shard], cells: Cells, names: Sequence[str] | None = None) -> str:
        """Return the SELECT of some columns, all by default, over some shards; its rows are in no order."""
        names = list(names or self.names())
        values = self._values()
        select = ", ".join(f'{values[name].sql} AS "{name}"' for name in names)
        stages = [stage for stage in self.stages(names) if stage in self.experts or stage == self.run.verdict]
        aligned: dict[tuple[str, ...], list[Shard]] = defaultdict(list)
        others: list[Shard] = []
        every = list(shards)
        for shard in every:
            files = {stage: len(cells(stage, shard)) for stage in (self.run.sample_stage, *stages)}
            if shard.limit is None and max(files.values()) < 2 and files[self.run.sample_stage]:
                aligned[tuple(stage for stage in stages if files[stage])].append(shard)
            else:
                others.append(shard)
        parts = [
            self._aligned(stages, there, some, cells)
            for there, them in aligned.items()
            for some in _groups(them, os.cpu_count() or 1)
        ]
        if others or not parts:
            parts.append((self._joined(stages, others, cells), []))
        blocked = self._blocked(names, every, cells)
        return "\nUNION ALL\n".join("\n".join([f"SELECT {select}", *rows, *blocked, *fits]) for rows, fits in parts)

    def empty(self) -> str:
        """Return a SELECT of no rows with all columns, each of its type."""
        return self.select([], lambda stage, shard: [])

    def _aligned(
        self, stages: Sequence[str], there: Sequence[str], shards: Sequence[Shard], cells: Cells
    ) -> tuple[list[str], list[str]]:
        """Return FROM and WHERE over shards that have one file of each stage that is there, and none of the others."""
        schemas = self._schemas()
        lines = [f"FROM ({self._files(self.run.sample_stage, shards, cells)}) s"]
        for stage in stages:
            if stage in there:
                lines.append(f"POSITIONAL JOIN ({self._files(stage, shards, cells)}) {self._alias(stage)}")
            else:
                lines.append(f"LEFT JOIN ({_nothing(schemas[stage])}) {self._alias(stage)} ON false")
        fits = " AND ".join(f'{self._alias(stage)}."row" = s."row"' for stage in there)
        return lines, [f"WHERE CASE WHEN {fits} THEN true ELSE error({text(UNFIT)}) END"] if there else []

    def _joined(self, stages: Sequence[str], shards: Sequence[Shard], cells: Cells) -> list[str]:
        """Return FROM over any shards, joined by uid."""
        sample = self._files(self.run.sample_stage, shards, cells)
        joins = [
            f"LEFT JOIN ({self._files(stage, shards, cells)}) {(alias := self._alias(stage))} ON {alias}.uid = s.uid"
            for stage in stages
        ]
        return [f"FROM ({sample}) s", *_limits(shards), *joins]

    def _blocked(self, names: Sequence[str], shards: Sequence[Shard], cells: Cells) -> list[str]:
        """Return the JOIN that finds what is on a block list, if any list was ever applied and its hits are hidden."""
        if not self.quarantine or set(names) <= SHOWN:
            return []
        lists = [self._files(stage, shards, cells) for stage in self.quarantine]
        hits = " UNION ".join(f"SELECT uid FROM ({cell}) WHERE error_code = 'blocked'" for cell in lists)
        return [f"LEFT JOIN ({hits}) q ON q.uid = s.uid"]

    def _values(self) -> dict[str, Value]:
        verdict = frozenset({self.run.verdict})
        values = {name: Value(f's."{name}"', frozenset()) for name in BEFORE}
        for stage, schema in self.experts.items():
            for name in schema.names:
                values[name] = self._ungated(stage, f'{self._alias(stage)}."{name}"')
        for gate in self.gates:
            values[gate.names[0]] = Value(f'v."{gate.names[0]}"', verdict)
        decided = f'CASE WHEN v."row" IS NULL THEN {text(UNFINISHED)} ELSE v.error END'
        values |= {"dropped_by": Value("v.dropped_by", verdict), "error": Value(decided, verdict)}
        if not self.quarantine:
            return values
        lists = frozenset(self.quarantine)
        hidden = {
            name: Value(f"CASE WHEN q.uid IS NULL THEN {value.sql} END", value.stages | lists)
            for name, value in values.items()
            if name not in SHOWN
        }
        told = f"CASE WHEN q.uid IS NULL THEN {decided} ELSE coalesce(v.error, {text(QUARANTINED)}) END"
        return values | hidden | {"error": Value(told, verdict | lists)}

    def _ungated(self, stage: str, value: str) -> Value:
        """Return a stage's column: null where a gate before it dropped what the stage looks at."""
        record = next(record for record in self.run.stages if record.id == stage)
        for gate in (self.run.stages[i] for i in record.behind):
            reasons = f"{text(gate.repr)}, {text(f'unmeasured: {gate.repr}')}"
            value = f'CASE WHEN v."{gate.artefact}_dropped_by" IN ({reasons}) THEN NULL ELSE {value} END'
        return Value(value, frozenset({stage, self.run.verdict} if record.behind else {stage}))

    def _alias(self, stage: str) -> str:
        return "v" if stage == self.run.verdict else f"t{list(self.experts).index(stage)}"

    def _schemas(self) -> dict[str, pa.Schema]:
        sample, verdict = pa.schema([*CELL, *SAMPLE]), pa.unify_schemas([VERDICT, *self.gates])
        lists = dict.fromkeys(self.quarantine, BLOCK_CELL)
        return {self.run.sample_stage: sample, **self.experts, self.run.verdict: verdict, **lists}

    def _files(self, stage: str, shards: Sequence[Shard], cells: Cells) -> str:
        """Return the SELECT of a stage's cells with their additions merged."""
        files = [urls for shard in shards if (urls := cells(stage, shard))]
        if not files:
            return _nothing(self._schemas()[stage])
        return merge_sql([urls[0] for urls in files], [url for urls in files for url in urls[1:]])


def columns_of(run: Manifest, quarantine: tuple[str, ...] = ()) -> Columns:
    """Return the columns of a run's samples, as its manifest tells them."""
    experts = {stage.id: stage.schema() for stage in run.stages if stage.id is not None}
    gates = [schema for stage in run.stages if stage.kind == "gate" and (schema := stage.schema()).names]
    return Columns(run, quarantine, experts, tuple(gates))


def _groups(shards: Sequence[Shard], most: int) -> list[Sequence[Shard]]:
    """Return the shards in at most so many runs: each is read by a thread."""
    count = min(most, len(shards))
    bounds = [len(shards) * i // count for i in range(count + 1)]
    return [shards[start:stop] for start, stop in pairwise(bounds)]


def _limits(shards: Sequence[Shard]) -> list[str]:
    """Return the JOIN that cuts shards of which the run takes only the first rows, if there are any."""
    if all(shard.limit is None for shard in shards):
        return []
    rows = ", ".join(f"({text(s.name)}, {'NULL' if s.limit is None else s.limit})" for s in shards)
    return [f'JOIN (VALUES {rows}) l(shard, rows) ON l.shard = s.shard AND s."row" < coalesce(l.rows, 2147483647)']


def _nothing(schema: pa.Schema) -> str:
    """Return a SELECT of no rows with the columns of a stage that has measured nothing."""
    kinds = {field.name: _kind(field.type) for field in schema} | {"uid": "VARCHAR", "row": "INTEGER"}
    return "SELECT " + ", ".join(f'CAST(NULL AS {kind}) AS "{name}"' for name, kind in kinds.items()) + " WHERE false"


def _kind(kind: pa.DataType) -> str:
    """Return the type that DuckDB gives a column which it reads from Parquet: float16 becomes FLOAT."""
    if pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind):
        return f"{_kind(kind.value_type)}[]"
    if pa.types.is_struct(kind):
        fields = ", ".join(f'"{field.name}" {_kind(field.type)}' for field in kind)
        return f"STRUCT({fields})"
    if pa.types.is_map(kind):
        return f"MAP({_kind(kind.key_type)}, {_kind(kind.item_type)})"
    if pa.types.is_dictionary(kind):
        return _kind(kind.value_type)
    if pa.types.is_timestamp(kind):
        return "TIMESTAMP WITH TIME ZONE" if kind.tz else "TIMESTAMP"
    return "BLOB" if pa.types.is_fixed_size_binary(kind) else KINDS[str(kind)]


def text(value: str) -> str:
    """Return a string as a literal of SQL."""
    return "'" + value.replace("'", "''") + "'"
