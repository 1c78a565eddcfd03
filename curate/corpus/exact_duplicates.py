"""Find samples that are exactly the same: bytes, pixels, text or URL."""

import hashlib
import json
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import ClassVar, Final, Literal, TypeAlias
from urllib.parse import urlsplit, urlunsplit

import numpy as np
import pyarrow as pa

from curate.corpus.batches import join_tables, order_words, row_files
from curate.corpus.groups import Groups, group_equal, write_digests
from curate.corpus.pool import Pool
from curate.errors import ContractError, PlanError
from curate.stages import Assign, Resources
from schemas.duplicates import EXACT_DUPLICATES
from schemas.prefix import check_prefix, prefixed

__all__ = ["ExactDuplicates", "On", "normal_text", "normal_url"]

On: TypeAlias = Literal["bytes", "pixels", "text", "url"]

COLUMNS: Final[dict[str, str]] = {
    "bytes": "image_sha256",
    "pixels": "image_pixels_sha256",
    "text": "alt_text",
    "url": "metadata",
}
BYTES_PER_ROW = 4_096  # of a batch: texts and digests


@dataclass(frozen=True)
class ExactDuplicates:
    """Add the group of samples that are exactly the same; see `schemas.duplicates`.

    `on`: "bytes" of the stored image (`ImageFacts`), "pixels" of the decoded image (`PixelDigest`), "text" of the
    column `text` as `normal_text` writes it, "url" in the sample's metadata as `normal_url` writes it. A sample without
    it is alone. The best of a group is the one with the best `key`, a column of numbers, else the smallest uid.
    Digests are sorted in parts that fit the memory of a task.
    Source: DataComp and mOSCAR remove such samples first; the digests are SHA-256 and BLAKE2b.
    """

    on: On = "bytes"
    text: str = "alt_text"
    key: str | None = None
    highest_first: bool = True
    prefix: str = ""
    resources: Resources = field(default=Resources(), repr=False, compare=False)
    version: ClassVar[int] = 1

    def __post_init__(self) -> None:
        if self.on not in COLUMNS:
            raise PlanError(f"ExactDuplicates: on={self.on!r}: give one of {', '.join(COLUMNS)}")
        check_prefix(self.prefix)

    @property
    def column(self) -> str:
        """Name of the column that is compared."""
        return self.text if self.on == "text" else COLUMNS[self.on]

    @property
    def needs(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(name for name in (self.column, self.key) if name))

    @property
    def adds(self) -> pa.Schema:
        return prefixed(EXACT_DUPLICATES, self.prefix)

    def check(self) -> None:
        return None

    def measure(self, pool: Pool) -> Assign:
        batches = pool.batches(max(1, pool.memory_bytes // BYTES_PER_ROW))
        list(pool.map(partial(_digest_batch, stage=self), list(enumerate(batches))))
        if batches:
            group_equal(pool, len(batches), "group")
        group, of = self.adds.names
        return Groups(row_files(pool, batches), "group", (group, of))


def _digest_batch(pool: Pool, numbered: tuple[int, Sequence[str]], stage: ExactDuplicates) -> None:
    number, batch = numbered
    table = join_tables(pool, batch)
    kind = table.schema.field(stage.column).type
    if not (pa.types.is_string(kind) or pa.types.is_large_string(kind)):
        raise ContractError(f"ExactDuplicates: {stage.column} is {kind}; give a column of texts")
    normal = NORMAL.get(stage.on, str)
    each = list(_digests(table[stage.column], normal))
    valid = np.array([digest is not None for digest in each], bool)
    data = b"".join(digest or bytes(16) for digest in each)
    digests = np.frombuffer(data, ">u8").reshape(-1, 2).astype(np.uint64)
    write_digests(pool, number, digests, valid, order_words(table, stage.key, stage.highest_first))


def _digests(column: pa.ChunkedArray, normal: Callable[[str], str | None]) -> Iterator[bytes | None]:
    for value in column:
        text = None if (plain := value.as_py()) is None else normal(plain)
        yield None if text is None else hashlib.blake2b(text.encode(), digest_size=16).digest()


def normal_text(text: str) -> str | None:
    r"""Return a text in Unicode's form NFKC, case folded, blanks as single spaces; None if nothing is left.

    >>> normal_text("  A Red\tBarn "), normal_text("a red barn"), normal_text(" ")
    ('a red barn', 'a red barn', None)
    """
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split()) or None


def normal_url(metadata: str) -> str | None:
    """Return the `url` of a sample's metadata with scheme and host in lower case, less fragment; None without one.

    >>> normal_url('{"url": "HTTP://Example.org/a.jpg?w=2#top"}')
    'http://example.org/a.jpg?w=2'
    """
    try:
        url = json.loads(metadata)["url"]
        parts = urlsplit(url.strip())
    except (ValueError, TypeError, KeyError, AttributeError):
        return None
    return urlunsplit((parts.scheme.lower(), parts.netloc.lower(), parts.path, parts.query, "")) or None


NORMAL: Final[dict[str, Callable[[str], str | None]]] = {"text": normal_text, "url": normal_url}
