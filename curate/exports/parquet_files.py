"""Write Parquet files with the images inside, as HF datasets stores them.

Each file carries HF's feature metadata, which makes `load_dataset` decode the images.
"""

import json
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from curate.exports.hashed import HashedStream
from curate.exports.layout import Location, Samples, Wrote
from curate.storage.store import Store

__all__ = ["IMAGE", "image_cells", "with_features", "write_parquet"]

IMAGE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])


def with_features(schema: pa.Schema, features: dict[str, Any]) -> pa.Schema:
    """Return the schema with HF's metadata: the features that Arrow types do not tell."""
    return schema.with_metadata({"huggingface": json.dumps({"info": {"features": features}})})


def image_cells(samples: Samples) -> list[dict[str, Any]]:
    """Return what an Image column holds of each sample: its bytes, and its uid as the name of a file."""
    paths = zip(samples.rows["uid"].to_pylist(), samples.extensions, strict=True)
    return [{"bytes": data, "path": f"{uid}{end}"} for data, (uid, end) in zip(samples.images, paths, strict=True)]


def write_parquet(
    folder: Store, file: str, schema: pa.Schema, samples: Iterator[Samples], convert: Callable[[Samples], pa.Table]
) -> Wrote:
    """Write one file, a row group for each batch of samples that `convert` makes a table of `schema` of."""
    sizes: list[int] = []
    with folder.open_write(file) as stream, HashedStream(stream) as hashed:
        with pq.ParquetWriter(hashed, schema, compression="zstd") as writer:
            for some in samples:
                writer.write_table(convert(some))
                sizes.extend(len(image) for image in some.images)
        sha256 = hashed.finish()
    locations: Sequence[Location] = [Location(file, None, size) for size in sizes]
    facts = {"sha256": sha256, "size_bytes": hashed.size_bytes, "samples": len(sizes)}
    return Wrote({file: facts}, locations)
