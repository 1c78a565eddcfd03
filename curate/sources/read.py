"""Reading a shard of any kind."""

from collections.abc import Iterator
from itertools import islice

import pyarrow as pa

from curate.errors import SampleError
from curate.sources.folder import count_folder, fetch_folder, scan_folder
from curate.sources.parquet import count_parquet, fetch_parquet, scan_parquet
from curate.sources.shard import Shard, SourceSample
from curate.sources.tar import count_tar, fetch_tar, scan_tar

__all__ = ["count", "fetch", "scan"]


def scan(shard: Shard) -> Iterator[SourceSample]:
    """Yield the samples of a shard with their image bytes, in one sequential pass and bounded memory.

    A sample that cannot be used has `trouble` and no image. Raises SourceError if the shard cannot be read at all.
    """
    readers = {"tar": scan_tar, "parquet": scan_parquet, "folder": scan_folder}
    return islice(readers[shard.kind](shard), shard.limit)


def fetch(shard: Shard, samples: pa.Table) -> Iterator[bytes | SampleError]:
    """Yield the image bytes of some rows of a shard, in the order of the table, without reading the rest.

    `samples` has the columns key, image_member and members of `schemas.sample.SAMPLE` and `row`, ascending.
    Raises SourceError if the shard cannot be read at all.
    """
    readers = {"tar": fetch_tar, "parquet": fetch_parquet, "folder": fetch_folder}
    return readers[shard.kind](shard, samples)


def count(shard: Shard) -> int:
    """Return how many samples `scan` will yield, reading headers only where the file can seek."""
    if shard.kind == "tar":
        return sum(1 for _ in islice(count_tar(shard), shard.limit))
    total = count_parquet(shard) if shard.kind == "parquet" else count_folder(shard)
    return total if shard.limit is None else min(total, shard.limit)
