"""The samples of a run, read from its cells and its source."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from curate.errors import PlanError, SampleError, StoreError
from curate.exports.images import read_images
from curate.inspect.query import ask
from curate.inspect.view import QUARANTINED, UNFINISHED, View, plain_error
from curate.reading.rows import Numbers

__all__ = ["RunRows", "choose"]

FETCHED = ("key", "row", "image_member", "image_size_bytes", "members")


@dataclass(frozen=True)
class RunRows:
    """The chosen rows of a run; `chosen` are their positions in each shard of `shards`, ascending."""

    view: View
    schema: pa.Schema
    shards: tuple[int, ...]
    chosen: tuple[Numbers, ...]

    @property
    def name(self) -> str:
        return f"run {self.view.run.id} of {self.view.store.root}"

    @property
    def parts(self) -> Sequence[str]:
        return [self.view.shards[shard].name for shard in self.shards]

    @property
    def counts(self) -> Numbers:
        return np.array([len(rows) for rows in self.chosen], np.int64)

    def table(self, part: int, numbers: Numbers | None, columns: Sequence[str]) -> pa.Table:
        if unknown := [name for name in columns if name not in self.schema.names]:
            raise PlanError(f"{self.name} has no column {unknown[0]!r}; it has {', '.join(self.schema.names)}")
        rows = self.chosen[part] if numbers is None else self.chosen[part][numbers]
        needed = list(dict.fromkeys([*columns, "row"]))  # which the rows of a shard are sorted by
        table = self.view.shard_table(self.view.shards[self.shards[part]], needed).select(list(columns))
        return table.take(pa.array(rows)).cast(pa.schema([self.schema.field(name) for name in columns]))

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
            schema = ask(connection, "SELECT * FROM samples LIMIT 0").schema
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
    return RunRows(view, schema, numbers, tuple(chosen[view.shards[i].name] for i in numbers))
