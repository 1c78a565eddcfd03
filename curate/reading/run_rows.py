"""The samples of a run, read from its cells and its source."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from curate.dataset.cells import Cells, cell_schema
from curate.errors import PlanError, SampleError, StoreError
from curate.exports.images import read_images
from curate.inspect.query import ask
from curate.inspect.view import QUARANTINED, UNFINISHED, View, plain_error
from curate.reading.rows import Numbers
from schemas.sample import SAMPLE
from schemas.verdict import VERDICT

__all__ = ["RunRows", "choose"]

FIRST = ("uid", "row")
FETCHED = ("key", "row", "image_member", "image_size_bytes", "members")
FATE = ("dropped_by", "error")


@dataclass(frozen=True)
class RunRows:
    """The chosen rows of a run; `chosen` are their positions in each shard of `shards`, ascending."""

    view: View
    shards: tuple[int, ...]
    chosen: tuple[Numbers, ...]

    @property
    def name(self) -> str:
        return f"run {self.view.run.id} of {self.view.store.root}"

    @cached_property
    def schema(self) -> pa.Schema:
        stages = {name: field for schema in self.view.columns.values() for name, field in _fields(schema)}
        known = dict(_fields(cell_schema(SAMPLE))) | stages | dict(_fields(VERDICT))
        return pa.schema([known[name] for name in self.view.names()])

    @property
    def parts(self) -> Sequence[str]:
        return [self.view.shards[shard].name for shard in self.shards]

    @property
    def counts(self) -> Numbers:
        return np.array([len(rows) for rows in self.chosen], np.int64)

    def table(self, part: int, numbers: Numbers | None, columns: Sequence[str]) -> pa.Table:
        rows = self.chosen[part] if numbers is None else self.chosen[part][numbers]
        shard, cells = self.view.shards[self.shards[part]], Cells(self.view.store)
        found: dict[str, pa.ChunkedArray] = {}
        for stage, names in self._stages(columns).items():
            cell = cells.read(stage, shard.name, names)
            taken = cell.take(pa.array(rows)) if cell is not None else None
            found |= {name: taken[name] for name in names} if taken is not None else {}
        schema = pa.schema([self.schema.field(name) for name in columns])
        missing = {field.name: pa.nulls(len(rows), field.type) for field in schema if field.name not in found}
        return pa.Table.from_arrays([(found | missing)[name] for name in columns], schema=schema)

    def images(self, part: int, numbers: Numbers) -> Iterator[bytes | SampleError]:
        digest = [name for name in ("image_sha256",) if name in self.schema.names]
        table = self.table(part, numbers, [*FETCHED, *digest])
        there = pc.is_valid(table["image_member"])
        images = read_images(self.view.shards[self.shards[part]], table.filter(there))
        for is_there in there.to_pylist():
            yield next(images) if is_there else SampleError("missing_image", "the sample has no image")

    def find(self, uid: str) -> tuple[int, int]:
        for part, rows in enumerate(self.chosen):
            uids = self.table(part, None, ["uid"])["uid"]
            position = pc.index(uids, uid).as_py()
            if position >= 0 and position < len(rows):
                return part, position
        raise KeyError(f"{self.name} has no sample {uid} among those chosen")

    def _stages(self, columns: Sequence[str]) -> dict[str, set[str]]:
        """Return which columns to read from which stage."""
        owner = dict.fromkeys([*FIRST, *SAMPLE.names], self.view.run.sample_stage)
        owner |= {name: stage for stage, schema in self.view.columns.items() for name in schema.names}
        owner |= dict.fromkeys(FATE, self.view.run.verdict)
        stages: dict[str, set[str]] = {}
        for name in columns:
            if name not in owner:
                raise PlanError(f"{self.name} has no column {name!r}; it has {', '.join(self.schema.names)}")
            stages.setdefault(owner[name], set()).add(name)
        return stages


def choose(view: View, where: str | None, kept: bool) -> RunRows:
    """Choose the samples of a run that match a condition: the kept ones, or all that it decided on.

    What a block list holds is never among them.
    Raises PlanError if the condition does not work, StoreError if a cell is damaged.
    """
    source = f"(SELECT * FROM samples WHERE (\n{where}\n))" if where else "samples"
    fate = (
        "dropped_by IS NULL AND error IS NULL"
        if kept
        else f"coalesce(error, '') NOT IN ('{QUARANTINED}', '{UNFINISHED}')"
    )
    sql = f'SELECT shard, "row" FROM {source} WHERE {fate}'
    with view.connect() as connection:
        try:
            ask(connection, f"{sql} LIMIT 0")
        except PlanError as error:
            raise PlanError(f"where={where!r}: {error}") from error
        try:
            found = connection.sql(f'{sql} ORDER BY shard, "row"').to_arrow_table()
        except duckdb.Error as error:
            reason = f"a cell of {view.run.id} cannot be read: {plain_error(error)}; `curate verify --repair`"
            raise StoreError(reason) from error
    shards = found["shard"].combine_chunks().dictionary_encode()
    ends = np.flatnonzero(np.diff(shards.indices.to_numpy(), append=-1)) + 1
    rows = np.split(found["row"].to_numpy().astype(np.int64), ends[:-1])
    chosen = dict(zip(shards.dictionary.to_pylist(), rows, strict=True)) if found.num_rows else {}
    numbers = tuple(i for i, shard in enumerate(view.shards) if shard.name in chosen)
    return RunRows(view, numbers, tuple(chosen[view.shards[i].name] for i in numbers))


def _fields(schema: pa.Schema) -> Iterator[tuple[str, pa.Field]]:
    return ((field.name, pa.field(field.name, field.type)) for field in schema)
