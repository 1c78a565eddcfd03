"""Reading a shard of any kind; see `SourceKind` for what each function does."""

from collections.abc import Iterator
from itertools import islice

import pyarrow as pa

from curate.errors import SampleError
from curate.sources.kinds import kind_named
from curate.sources.shard import Shard, SourceSample

__all__ = ["count", "fetch", "scan"]


def scan(shard: Shard) -> Iterator[SourceSample]:
    """Yield the samples of a shard with their image bytes, in one sequential pass and bounded memory.

    A sample that cannot be used has `error` and no image. Raises SourceError if the shard cannot be read at all.
    """
    return islice(kind_named(shard.kind).scan(shard), shard.limit)


def fetch(shard: Shard, samples: pa.Table) -> Iterator[bytes | SampleError]:
    """Yield the image bytes of some rows of a shard, in the order of the table, without reading the rest.

    `samples` has the columns key, image_member and members of `schemas.sample.SAMPLE` and `row`, ascending.
    Raises SourceError if the shard cannot be read at all.
    """
    return kind_named(shard.kind).fetch(shard, samples)


def count(shard: Shard) -> int:
    """Return how many samples `scan` will yield, reading headers only where the file can seek."""
    total = kind_named(shard.kind).count(shard)
    return total if shard.limit is None else min(total, shard.limit)
