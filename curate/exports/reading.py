"""Read the samples of a part in its order: rows from the run's cells, images from the source, checked."""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

import duckdb
import numpy as np
import pyarrow as pa

from curate.errors import SampleError
from curate.exports.images import image_extensions, read_images, side_members
from curate.exports.layout import Reads, Samples
from curate.exports.pictures import UNMEASURED, Pictures, boxes_of
from curate.exports.planning import PlannedPart
from curate.exports.selection import damage_as_error
from curate.inspect.view import View
from curate.sources.shard import Shard

__all__ = ["PartReader", "Rows", "needed_columns", "view_of"]

BATCH_SAMPLES: Final = 100
BATCH_BYTES: Final = 64 << 20
"""Images of a batch: all that is in memory. A row group of Parquet is one batch; the Hub's viewer advises 100 rows."""
LOCATE: Final = ("key", "row", "image_member", "image_size_bytes", "image_sha256", "members")
TABLES: Final = 20  # shards whose rows are kept: more than those that are mixed


def view_of(view: View, shards: Sequence[int]) -> View:
    """Return the view of some shards of a run: small enough to be sent to a worker."""
    some = tuple(view.shards[i] for i in shards)
    names = {shard.name for shard in some}
    files = {stage: {name: cells[name] for name in names & cells.keys()} for stage, cells in view.files.items()}
    return replace(view, shards=some, files=files)


def needed_columns(view: View, reads: Reads, exported: pa.Schema, boxes: Sequence[str]) -> list[str]:
    """Return the columns to read: what the writer asks for, and what finds, checks and changes the images."""
    wanted = exported.names if reads.columns is None else ["uid", *reads.columns]
    there = set(view.names())
    return [name for name in dict.fromkeys([*wanted, *LOCATE, *boxes]) if name in there]


@dataclass(slots=True)
class Rows:
    """The rows of shards, a few shards at a time; raises StoreError if a cell is damaged."""

    view: View
    connection: duckdb.DuckDBPyConnection
    columns: Sequence[str]
    kept: dict[str, pa.Table] = field(default_factory=dict)

    def shard(self, shard: Shard) -> pa.Table:
        """Return all rows of a shard in its order."""
        table = self.kept.pop(shard.name, None)
        if table is None:
            with damage_as_error(shard.name):
                table = self.view.table(self.connection, shard, self.columns)
        self.kept[shard.name] = table  # the last used is the last to go
        while len(self.kept) > TABLES:
            self.kept.pop(next(iter(self.kept)))
        return table


@dataclass(slots=True)
class PartReader:
    """Reads the n samples of a part once; `shards` are those of the part, in its order.

    Afterwards `errors` tells the code of each that could not be read and `changes` what was done to images, by place in
    the part; `given` are the places of the samples that were yielded.
    """

    rows: Rows
    shards: Sequence[Shard]
    planned: PlannedPart
    reads: Reads
    columns: Sequence[str]
    pictures: Pictures
    boxes: Sequence[str]
    errors: dict[int, str] = field(default_factory=dict)
    changes: dict[int, str] = field(default_factory=dict)
    given: list[int] = field(default_factory=list)

    def batches(self) -> Iterator[Samples]:
        """Yield all samples that can be read, some at a time; without images nothing can fail."""
        table, streams = self._open()
        plain = table.select(self.columns)
        if not self.reads.images:
            for start in range(0, table.num_rows, BATCH_SAMPLES * 10):
                piece = plain.slice(start, BATCH_SAMPLES * 10)
                self.given.extend(range(start, start + piece.num_rows))
                yield Samples(piece)
            return
        extensions, boxes = image_extensions(table), self._boxes(table)
        batch: list[tuple[int, Sequence[bytes]]] = []
        size = 0
        for i, shard in enumerate(self.planned.of.tolist()):
            contents = self._changed(i, next(streams[shard]), next(boxes))
            if isinstance(contents, SampleError):
                self.errors[i] = contents.code
                continue
            batch.append((i, contents))
            size += len(contents[0])
            if len(batch) == BATCH_SAMPLES or size >= BATCH_BYTES:
                yield self._batch(plain, extensions, batch)
                batch, size = [], 0
        if batch:
            yield self._batch(plain, extensions, batch)
        for stream in streams:
            stream.close()

    def _boxes(self, table: pa.Table) -> Iterator[Sequence[Sequence[float]] | None]:
        """Yield what to blur in each image; None if that was not measured."""
        if self.pictures.blur is None:
            return itertools.repeat(())
        return boxes_of(self.pictures.blur, table.select(self.boxes))

    def _changed(
        self, i: int, contents: Sequence[bytes] | SampleError, boxes: Sequence[Sequence[float]] | None
    ) -> Sequence[bytes] | SampleError:
        """Return the contents with the image as it is exported."""
        if isinstance(contents, SampleError) or not self.pictures.changes:
            return contents
        if boxes is None:
            return SampleError(UNMEASURED, f"nobody looked for {self.pictures.blur}")
        try:
            image, change = self.pictures.apply(contents[0], boxes)
        except SampleError as error:
            return error
        if change:
            self.changes[i] = change
        return image, *contents[1:]

    def _extension(self, i: int, stored: str) -> str:
        return f".{self.pictures.extension}" if i in self.changes else stored

    def _batch(
        self, rows: pa.Table, extensions: Sequence[str], batch: Sequence[tuple[int, Sequence[bytes]]]
    ) -> Samples:
        places = [i for i, _ in batch]
        self.given.extend(places)
        whole = places[-1] - places[0] + 1 == len(places)
        some = rows.slice(places[0], len(places)) if whole else rows.take(pa.array(places))
        members = {name: [each[k + 1] for _, each in batch] for k, name in enumerate(self.reads.members)}
        return Samples(
            some, [each[0] for _, each in batch], [self._extension(i, extensions[i]) for i in places], members
        )

    def _open(self) -> tuple[pa.Table, list[Any]]:
        """Return the rows of the part in its order, and for each shard what reads its images one after another."""
        tables, streams = [], []
        for i, shard in enumerate(self.shards):
            table = self.rows.shard(shard)
            wanted = self.planned.rows[self.planned.of == i]
            mine = table.take(pa.array(np.searchsorted(table["row"].to_numpy(), wanted)))
            tables.append(mine)
            streams.append(_contents(shard, mine, self.reads.members) if self.reads.images else iter(()))
        together = pa.concat_tables(tables).combine_chunks()
        if len(tables) > 1:
            places = np.concatenate([np.flatnonzero(self.planned.of == i) for i in range(len(tables))])
            together = together.take(pa.array(np.argsort(places, kind="stable")))
        return together, streams


def _contents(shard: Shard, rows: pa.Table, extensions: Sequence[str]) -> Iterator[tuple[bytes, ...] | SampleError]:
    """Yield the image of each row and its other members, or what is wrong with one of them."""
    others = [side_members(shard, rows, extension) for extension in extensions]
    for contents in zip(read_images(shard, rows), *others, strict=True):
        yield next((each for each in contents if isinstance(each, SampleError)), contents)
