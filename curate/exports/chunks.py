"""Write samples into chunk files: a count, an offset for each sample, then the samples, one after another.

MosaicML's MDS and LitData share this form; all numbers are uint32, so that a file has less than 4 GiB.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pyarrow as pa

from curate.errors import PlanError
from curate.exports.documents import check_columns, document_columns, documents, text_column, texts
from curate.exports.layout import Location, Reads, Samples, Wrote
from curate.exports.selection import Selection
from curate.storage.store import Store

__all__ = ["MOST_BYTES", "Fields", "chunk_fields", "chunk_reads", "write_chunk"]

MOST_BYTES: Final = 1 << 30  # of images in a file, since texts come on top and 4 GiB is the end
OWN: Final = ("image", "json", "text", "uid")


@dataclass(frozen=True, slots=True)
class Fields:
    """What each sample holds: `image`, `json`, `text` and `uid`, then some text columns under their own names.

    `text` is the column of `text`, all null if `empty`; `documents` are the columns of `json`.
    """

    text: str
    empty: bool
    columns: tuple[str, ...]
    documents: pa.Schema

    @property
    def names(self) -> tuple[str, ...]:
        """Return the names of the fields in the order in which a sample holds them: sorted, as MDS wants it."""
        return tuple(sorted((*OWN, *self.columns)))

    def values(self, samples: Samples) -> Iterator[Sequence[bytes]]:
        """Yield the fields of each sample, in the order of `names`."""
        rows = samples.rows
        found: dict[str, Any] = {name: texts(rows, name) for name in self.columns}
        found |= {"image": samples.images, "json": documents(rows, self.documents)}
        found |= {"text": texts(rows, self.text), "uid": texts(rows, "uid")}
        yield from zip(*(found[name] for name in self.names), strict=True)

    def items(self, samples: Iterator[Samples]) -> list[tuple[bytes, int, int]]:
        """Return what `write_chunk` takes of each sample: the sizes of its fields as uint32, then the fields."""
        image = self.names.index("image")
        return [_packed(values, image) for some in samples for values in self.values(some)]


def chunk_fields(selection: Selection, text: str | None, columns: Sequence[str]) -> Fields:
    """Return what a sample holds; raises PlanError for a column that the run does not have or that is always null."""
    if taken := [name for name in columns if name in OWN]:
        raise PlanError(f"columns has {taken[0]!r}: every sample has a field of that name already")
    check_columns(selection, list(columns))
    column, empty = text_column(selection, text)
    return Fields(column, empty, tuple(columns), document_columns(selection))


def chunk_reads(samples_per_shard: int, bytes_per_shard: int) -> Reads:
    """Return how parts are cut; raises PlanError for more bytes than offsets can tell."""
    if bytes_per_shard > MOST_BYTES:
        raise PlanError(
            f"bytes_per_shard is {bytes_per_shard:,}; a file of this format can take {MOST_BYTES:,} at most"
        )
    return Reads(samples_per_shard, bytes_per_shard)


def write_chunk(folder: Store, file: str, head: bytes, items: Sequence[tuple[bytes, int, int]]) -> Wrote:
    """Write a file of items: the bytes of each, where its image begins in them, and how long that is.

    `head` stands between the offsets and the items. Without items there is no file. The file's facts are `samples`,
    `size_bytes` and `sha256`.
    """
    if not items:
        return Wrote({}, [])
    start = 4 + 4 * (len(items) + 1) + len(head)
    offsets = np.cumsum([start, *(len(data) for data, _, _ in items)], dtype=np.int64)
    if offsets[-1] >= 1 << 32:
        raise PlanError(f"{file} would have {offsets[-1]:,} bytes, its format allows 4 GiB; lower samples_per_shard")
    data = b"".join(
        [np.uint32(len(items)).tobytes(), offsets.astype("<u4").tobytes(), head, *(each for each, _, _ in items)]
    )
    folder.write_bytes(file, data)
    places = zip(offsets.tolist(), items, strict=False)
    locations = [Location(file, offset + begin, size) for offset, (_, begin, size) in places]
    facts: Mapping[str, Any] = {
        "samples": len(items),
        "size_bytes": len(data),
        "sha256": hashlib.sha256(data).hexdigest(),
    }
    return Wrote({file: facts}, locations)


def _packed(values: Sequence[bytes], image: int) -> tuple[bytes, int, int]:
    """Return a sample as an item; `image` is the number of the field that is the image."""
    sizes = [len(value) for value in values]
    begin = 4 * len(sizes) + sum(sizes[:image])
    return b"".join([np.array(sizes, "<u4").tobytes(), *values]), begin, len(values[image])
