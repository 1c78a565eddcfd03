"""Samples as an `IterableDataset` of Hugging Face datasets."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from curate.errors import SampleError
from curate.models.extras import load_extra
from curate.reading.rows import Rows

__all__ = ["hf_dataset"]


def hf_dataset(rows: Rows, columns: Sequence[str], images: bool) -> Any:
    """Return the samples as a streaming dataset with one shard per part; see `Samples.to_hf`."""
    datasets = load_extra("datasets", "hf")
    schema = pa.schema([rows.schema.field(name) for name in columns])
    features = datasets.Features.from_arrow_schema(schema)
    if images:
        features = datasets.Features({"image": datasets.Image(), **features})
    settings = {"rows": rows, "columns": tuple(columns), "with_images": images, "parts": list(range(len(rows.parts)))}
    return datasets.IterableDataset.from_generator(_generate, features=features, gen_kwargs=settings)


def _generate(rows: Rows, columns: Sequence[str], with_images: bool, parts: Sequence[int]) -> Iterator[dict[str, Any]]:
    """Yield the samples of some parts; `parts` is the list that datasets shares out among its workers."""
    for part in parts:
        count = int(rows.counts[part])
        images = rows.images(part, np.arange(count)) if with_images else [None] * count
        for image, row in zip(images, rows.table(part, None, columns).to_pylist(), strict=True):
            if isinstance(image, SampleError):
                raise image
            yield row if image is None else {"image": {"bytes": image, "path": None}, **row}
