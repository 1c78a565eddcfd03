"""Write Parquet with the images inside, laid out as HF datasets stores them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated

import pyarrow as pa

from curate.errors import PlanError
from curate.exports.layout import Contents, Finished, Part, PartFacts, Reads, Samples, Wrote
from curate.exports.options import check_at_least_one, check_file_name
from curate.exports.parquet_files import IMAGE, image_cells, with_features, write_parquet
from curate.exports.selection import Selection
from curate.storage.store import Store

__all__ = ["Parquet"]


@dataclass(frozen=True, slots=True)
class Parquet:
    """Writes every chosen sample as one row: `image`, then all exported columns with their Arrow types."""

    name: Annotated[str, "Beginning of the names of the files."] = "samples"
    samples_per_shard: Annotated[int, "Most samples in one file."] = 1_000
    licence: Annotated[str | None, "Licence of the dataset for its card and croissant.json, e.g. CC-BY-4.0."] = None

    def __post_init__(self) -> None:
        check_file_name(self.name)
        check_at_least_one(samples_per_shard=self.samples_per_shard)

    def condition(self, columns: Sequence[str]) -> str | None:
        return None

    def layout(self, selection: Selection) -> "Rows":
        columns = [field for field in selection.columns if field.name not in {"dropped_by", "error"}]
        if any(field.name == "image" for field in columns):
            raise PlanError("the run has a column 'image', which is where the format parquet puts images; rename it")
        schema = with_features(pa.schema([pa.field("image", IMAGE), *columns]), {"image": {"_type": "Image"}})
        return Rows(self.name, Reads(self.samples_per_shard, columns=tuple(schema.names[1:])), schema, self.licence)


@dataclass(frozen=True, slots=True)
class Rows:
    """Writes one Parquet file a part."""

    name: str
    reads: Reads
    schema: pa.Schema
    licence: str | None

    def write(self, folder: Store, part: Part, samples: Iterator[Samples]) -> Wrote:
        return write_parquet(folder, part.file(self.name, "parquet"), self.schema, samples, self._table)

    def finish(self, folder: Store, parts: Sequence[PartFacts]) -> Finished:
        columns = pa.schema(list(self.schema)[1:])
        return Finished(contents=Contents(self.name, "parquet", self.schema, columns, "image", self.licence))

    def _table(self, samples: Samples) -> pa.Table:
        images = pa.array(image_cells(samples), IMAGE)
        values = [samples.rows[field.name].cast(field.type) for field in list(self.schema)[1:]]
        return pa.Table.from_arrays([images, *values], schema=self.schema)
