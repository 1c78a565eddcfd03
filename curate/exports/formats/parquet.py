"""Write Parquet with the images inside, laid out as HF datasets stores them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import pyarrow as pa

from curate.errors import PlanError
from curate.exports.index import Written
from curate.exports.options import check_at_least_one, check_file_name
from curate.exports.parquet_files import IMAGE, ParquetLayout, with_features, write_files
from curate.exports.selection import Selection
from curate.storage.store import Store

__all__ = ["Parquet"]


@dataclass(frozen=True, slots=True)
class Parquet:
    """Writes every chosen sample as one row: `image`, then all exported columns with their Arrow types."""

    name: Annotated[str, "Beginning of the names of the files."] = "samples"
    samples_per_shard: Annotated[int, "Most samples in one file."] = 1_000

    def __post_init__(self) -> None:
        check_file_name(self.name)
        check_at_least_one(samples_per_shard=self.samples_per_shard)

    def condition(self, columns: Sequence[str]) -> str | None:
        return None

    def write(self, selection: Selection, store: Store) -> Written:
        columns = [field for field in selection.columns if field.name not in {"dropped_by", "error"}]
        if any(field.name == "image" for field in columns):
            raise PlanError("the run has a column 'image', which is where the format parquet puts images; rename it")
        schema = with_features(pa.schema([pa.field("image", IMAGE), *columns]), {"image": {"_type": "Image"}})

        def convert(rows: pa.Table, images: list[dict[str, Any]]) -> pa.Table:
            values = [rows[field.name].cast(field.type) for field in columns]
            return pa.Table.from_arrays([pa.array(images, IMAGE), *values], schema=schema)

        return write_files(selection, store, ParquetLayout(self.name, self.samples_per_shard, schema, convert))
