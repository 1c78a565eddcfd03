"""What all code outside of `sources/kinds/` knows about a kind of source."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pyarrow as pa

from curate.errors import SampleError
from curate.sources.shard import Shard, SourceSample

__all__ = ["SourceKind"]


@dataclass(frozen=True, slots=True)
class SourceKind:
    """A kind of source: its file names, and how its shards are grouped, checked, read and counted.

    A module of `sources/kinds/` has one as `KIND`; the module's name is the kind's name in `Shard.kind`. A file is of
    this kind if its lower-case name ends in one of `endings`. Of a folder with files of several kinds only those of the
    kind with the lowest `order` are read. All functions raise SourceError if a shard cannot be read at all.

    - `label` is what users call such files, in the plural.
    - `scan` yields the samples with their image bytes, in one sequential pass and bounded memory. One that cannot be
      used has `error` and no image.
    - `fetch` yields the image bytes of some rows in the order of the table, which has the columns key, image_member
      and members of `schemas.sample.SAMPLE` and `row`, ascending, without reading the rest.
    - `count` returns how many samples `scan` will yield; it may stop at `shard.limit`, and need not.
    - `check` raises PlanError if a shard cannot be of use; called for the first shard of an input, it reads little.
    - `group` splits the files of a folder, relative to it, into the `Shard.files` of its shards; None: each file is a
      shard of its own.
    """

    order: int
    label: str
    endings: tuple[str, ...]
    scan: Callable[[Shard], Iterator[SourceSample]]
    fetch: Callable[[Shard, pa.Table], Iterator[bytes | SampleError]]
    count: Callable[[Shard], int]
    check: Callable[[Shard], None] | None = None
    group: Callable[[list[str]], list[tuple[str, ...]]] | None = None
