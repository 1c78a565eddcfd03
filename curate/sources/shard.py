"""Shards and samples: what every kind of source is read as."""

import hashlib
from dataclasses import dataclass

from curate.errors import SampleError

__all__ = ["Member", "Shard", "SourceSample", "sample_uid"]


@dataclass(frozen=True, slots=True)
class Shard:
    """One unit of work: a tar, a Parquet file, up to 1,000 images of a folder, or what another kind makes of its files.

    `name` is file-name safe and made of the last folder, the stem and a digest of (folder, stem, size), so it is the
    same on every machine and two folders that both hold 00000.tar do not collide. `limit` takes only the first rows.
    """

    name: str
    kind: str  # name of a module of `sources/kinds/`
    url: str
    size_bytes: int
    files: tuple[str, ...] = ()  # of a kind that groups files: their paths relative to `url`, sorted
    limit: int | None = None


@dataclass(frozen=True, slots=True)
class Member:
    """A part of a sample as stored: `offset` is the first content byte in the shard, -1 where that has no meaning."""

    name: str
    offset: int
    size_bytes: int


@dataclass(frozen=True, slots=True)
class SourceSample:
    """One sample as read; see `schemas.sample.SAMPLE` for the fields. `error` is set if it cannot be used."""

    key: str
    image_member: str | None
    image: bytes | None
    alt_text: str | None
    metadata: str | None = None
    members: tuple[Member, ...] = ()
    alt_text_cut: bool = False
    error: SampleError | None = None


def sample_uid(shard_name: str, key: str, occurrence: int = 0) -> str:
    """Return the 128-bit hex identity of a sample; `occurrence` counts repeats of a key within its shard."""
    suffix = f"\0{occurrence}" if occurrence else ""
    return hashlib.blake2b(f"{shard_name}\0{key}{suffix}".encode(), digest_size=16).hexdigest()
