"""Read the bytes that an export ships again from the source, and check that they are the ones that were measured."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any

import pyarrow as pa

from curate.errors import SampleError
from curate.sources import fetch
from curate.sources.member_names import split_name
from curate.sources.shard import Shard

__all__ = ["image_extensions", "read_images", "side_members"]


def read_images(shard: Shard, rows: pa.Table) -> Iterator[bytes | SampleError]:
    """Yield the encoded image of each row as stored, one in memory at a time.

    An image whose length, or SHA-256 if the run measured it, is not the recorded one gives `source_changed`.
    """
    sizes = rows["image_size_bytes"].to_pylist()
    digests = rows["image_sha256"].to_pylist() if "image_sha256" in rows.column_names else [None] * len(sizes)
    for data, size, digest in zip(fetch(shard, rows), sizes, digests, strict=True):
        changed = not isinstance(data, SampleError) and (
            (size is not None and len(data) != size)
            or (digest is not None and hashlib.sha256(data).hexdigest() != digest)
        )
        yield (
            SampleError("source_changed", f"{shard.name} no longer holds the image that was measured")
            if changed
            else data
        )


def side_members(shard: Shard, rows: pa.Table, extension: str) -> Iterator[bytes | SampleError]:
    """Yield each row's member with an extension such as `cls` or `seg.png`; empty for a row without one."""
    names = [_named(extension, members) for members in rows["members"].to_pylist()]
    present = [i for i, name in enumerate(names) if name is not None]
    column = rows.column_names.index("image_member")
    members = rows.set_column(column, "image_member", pa.array(names, pa.string())).take(pa.array(present, pa.int64()))
    contents = fetch(shard, members) if present else iter(())
    for name in names:
        yield b"" if name is None else next(contents)


def image_extensions(rows: pa.Table) -> list[str]:
    """Return the extension that each image has in the source, lower case with its dot; empty for one without."""
    return [PurePosixPath(member or "").suffix.lower() for member in rows["image_member"].to_pylist()]


def _named(extension: str, members: Sequence[Mapping[str, Any]]) -> str | None:
    """Return the name of the member to read, or None if there is none or nothing in it."""
    parts = ((member, split_name(member["name"])) for member in members if member["size"])
    return next((member["name"] for member, part in parts if part and part[1] == extension), None)
