"""Samples of a dataset or an export: lazy one by one, or all as a table of the library that you use."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import duckdb
import numpy as np
import pyarrow as pa
from PIL import Image

from curate.errors import PlanError, SampleError
from curate.models.extras import load_extra
from curate.reading.images import AT_ONCE, decoded
from curate.reading.order import Order, places
from curate.reading.rows import Rows

if TYPE_CHECKING:
    from curate.reading.torch_dataset import TorchSamples

__all__ = ["Sample", "Samples"]


@dataclass(frozen=True, slots=True)
class Sample:
    """One sample: its `columns` by name, null as None; its image is read when you ask for it."""

    columns: dict[str, Any]
    _rows: Rows = field(repr=False)
    _place: tuple[int, int] = field(repr=False)

    def __getitem__(self, name: str) -> Any:
        return self.columns[name]

    @property
    def uid(self) -> str:
        """The 128-bit hex identity."""
        return str(self.columns["uid"])

    def image_bytes(self) -> bytes:
        """Read the encoded image, one range; raises SampleError if it is gone or was changed since the run."""
        part, number = self._place
        image = next(self._rows.images(part, np.array([number], np.int64)))
        if isinstance(image, SampleError):
            raise image
        return image

    def image(self) -> Image.Image:
        """Read and decode the image, RGB, as PIL does; raises SampleError if that fails."""
        return decoded(self.image_bytes(), self.uid)


@dataclass(frozen=True, slots=True)
class Samples:
    """The samples of a dataset or an export; made by `curate.open`. Iterating reads a part of the columns at a time.

    `samples[3]` is the fourth, `samples["5f3a..."]` the one of a uid, which is searched from the beginning.
    """

    rows: Rows

    def __len__(self) -> int:
        return int(self.rows.counts.sum())

    def __iter__(self) -> Iterator[Sample]:
        for found in places(self.rows.parts, self.rows.counts, Order(), 0, len(self)):
            part, number = int(found[0, 0]), 0
            for batch in self.rows.table(part, None, self.columns).to_batches(max_chunksize=AT_ONCE):
                for row in batch.to_pylist():
                    yield Sample(row, self.rows, (part, number))
                    number += 1

    def __getitem__(self, which: int | str) -> Sample:
        if isinstance(which, str):
            place = self.rows.find(which)
        else:
            number = which + len(self) if which < 0 else which
            if not 0 <= number < len(self):
                raise IndexError(f"{self.rows.name}: there is no sample {which} of {len(self)}")
            ends = np.cumsum(self.rows.counts)
            part = int(np.searchsorted(ends, number, side="right"))
            place = part, number - int(ends[part - 1] if part else 0)
        row = self.rows.table(place[0], np.array([place[1]], np.int64), self.columns).to_pylist()[0]
        return Sample(row, self.rows, place)

    def __repr__(self) -> str:
        return f"<{len(self):,} samples of {self.rows.name}: {', '.join(self.columns)}>"

    @property
    def schema(self) -> pa.Schema:
        """The columns with their Arrow types; docs/data-format.md says what each is."""
        return self.rows.schema

    @property
    def columns(self) -> list[str]:
        """The names of the columns."""
        return list(self.rows.schema.names)

    def to_batches(self, columns: Sequence[str] | None = None) -> Iterator[pa.RecordBatch]:
        """Yield the samples as Arrow batches, a part at a time; memory holds one part.

        Raises PlanError if there is no such column.
        """
        for part in range(len(self.rows.parts)):
            yield from self.rows.table(part, None, columns or self.columns).combine_chunks().to_batches()

    def to_arrow(self, columns: Sequence[str] | None = None) -> pa.Table:
        """Return the samples as one Arrow table, all columns unless named."""
        names = list(columns or self.columns)
        if unknown := [name for name in names if name not in self.columns]:
            raise PlanError(f"{self.rows.name} has no column {unknown[0]!r}; it has {', '.join(self.columns)}")
        return pa.Table.from_batches(
            list(self.to_batches(names)), pa.schema([self.schema.field(name) for name in names])
        )

    def to_pandas(self, columns: Sequence[str] | None = None) -> Any:
        """Return the samples as a pandas DataFrame; needs pandas."""
        load_extra("pandas", "frames")
        return self.to_arrow(columns).to_pandas()

    def to_polars(self, columns: Sequence[str] | None = None) -> Any:
        """Return the samples as a polars DataFrame; needs polars."""
        return load_extra("polars", "frames").from_arrow(self.to_arrow(columns))

    def to_duckdb(self, columns: Sequence[str] | None = None) -> duckdb.DuckDBPyConnection:
        """Return an in-memory DuckDB whose table `samples` holds them."""
        connection = duckdb.connect()
        connection.register("given", _without_half(self.to_arrow(columns)))
        connection.execute("CREATE TABLE samples AS SELECT * FROM given")
        connection.unregister("given")
        return connection

    def to_hf(self, columns: Sequence[str] | None = None, images: bool = True) -> Any:
        """Return a Hugging Face `IterableDataset` of the columns, and of the images as its feature `image`.

        Read part by part, so it shards by part (`split_dataset_by_node`, workers of a DataLoader) and resumes by its
        own `state_dict`. Needs the package datasets.
        """
        from curate.reading.hf_dataset import hf_dataset

        return hf_dataset(self.rows, list(columns or self.columns), images)

    def to_torch(self, columns: Sequence[str] = ("uid",), shuffle: int | None = None) -> "TorchSamples":
        """Return a torch `IterableDataset` of dicts: the columns, and the decoded image as `image`.

        `shuffle` is the seed of a new order each epoch. Needs torch. See `TorchSamples` for ranks, workers, resuming.
        """
        load_extra("torch", "clip")
        from curate.reading.torch_dataset import TorchSamples

        return TorchSamples(self.rows, tuple(columns), Order(shuffle))


def _without_half(table: pa.Table) -> pa.Table:
    """Return the table with lists of float16 as float32, which is what DuckDB can hold."""
    for number, kept in enumerate(table.schema):
        kind = kept.type
        if pa.types.is_float16(kind):
            table = table.set_column(number, kept.name, table[kept.name].cast(pa.float32()))
        elif (pa.types.is_list(kind) or pa.types.is_fixed_size_list(kind)) and pa.types.is_float16(kind.value_type):
            table = table.set_column(number, kept.name, table[kept.name].cast(pa.list_(pa.float32())))
    return table
