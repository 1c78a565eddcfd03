"""WebDataset tars, in img2dataset's layout or plain: contiguous members with one key are one sample."""

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from typing import Any, Final

import pyarrow as pa

from curate.errors import SampleError, SourceError
from curate.sources.image_limits import MAX_IMAGE_BYTES, image_error
from curate.sources.kind import SourceKind
from curate.sources.member_names import IMAGE_EXTENSIONS, split_name
from curate.sources.opening import AHEAD_BYTES, BUFFER_BYTES, open_stream, translate_errors
from curate.sources.shard import Member, Shard, SourceSample
from curate.sources.tar_walk import TarReader, iter_members
from curate.sources.texts import METADATA_BYTES, TEXT_BYTES, caption_in, clip_text, read_metadata, read_text

__all__ = ["KIND"]

RANK: Final = {extension: rank for rank, extension in enumerate(IMAGE_EXTENSIONS)}


class _Group:
    """The members of one sample while they pass by; without a reader contents are not read."""

    def __init__(self, key: str, error: SampleError | None = None) -> None:
        self.key = key
        self.error = error
        self.fields: set[str] = set()
        self.members: list[Member] = []
        self.rank = len(RANK)
        self.image_member: Member | None = None
        self.image: bytes | None = None
        self.text: tuple[str, bool] | None = None
        self.metadata: tuple[str | None, Any] = (None, None)

    def add(self, member: Member, field: str, reader: TarReader | None) -> None:
        self.fields.add(field)
        self.members.append(member)
        if reader is None:
            return
        rank = RANK.get(field, len(RANK))
        if rank < self.rank:
            self.rank, self.image_member = rank, member
            self.image = reader.read(member.size_bytes) if member.size_bytes <= MAX_IMAGE_BYTES else None
        elif field == "txt":
            self.text = read_text(reader.read(min(member.size_bytes, TEXT_BYTES)), member.size_bytes)
        elif field == "json" and member.size_bytes <= METADATA_BYTES:
            self.metadata = read_metadata(reader.read(member.size_bytes))

    def sample(self, *, repeated: bool) -> SourceSample:
        error = self.error
        if error is None and repeated:
            error = SampleError("duplicate_key", f"key {self.key!r} came before in this shard; the first is kept")
        if error is None:
            error = image_error(self.image_member.size_bytes if self.image_member else None)
        caption = None if self.text else caption_in(self.metadata[1])
        text, cut = self.text or (clip_text(caption) if caption is not None else (None, False))
        return SourceSample(
            key=self.key,
            image_member=self.image_member.name if self.image_member else None,
            image=None if error else self.image,
            alt_text=text,
            metadata=self.metadata[0],
            members=tuple(self.members),
            alt_text_cut=cut,
            error=error,
        )


def scan_tar(shard: Shard) -> Iterator[SourceSample]:
    """Yield the samples of a tar in one forward pass; memory holds one sample and all keys so far."""
    keys: set[str] = set()
    with _reader(shard) as reader:
        for group in _groups(reader, load=True):
            yield group.sample(repeated=group.key in keys)
            keys.add(group.key)


def count_tar(shard: Shard) -> int:
    """Return the number of samples up to `shard.limit`, reading only headers where the file can seek."""
    with _reader(shard) as reader:
        return sum(1 for _ in islice(_groups(reader, load=False), shard.limit))


def fetch_tar(shard: Shard, samples: pa.Table) -> Iterator[bytes | SampleError]:
    """Yield the image bytes of rows of the sample table, in their order, by seeking to each.

    Rows in shard order read forward only. If their bytes are a quarter or more of the span, it is read in large pieces.
    """
    members = [_image_member(row) for row in samples.select(["image_member", "members"]).to_pylist()]
    images = [member for member in members if member]
    span = max((m["offset"] for m in images), default=0) - min((m["offset"] for m in images), default=0)
    total = sum(m["size"] for m in images)
    ahead = min(total, AHEAD_BYTES) if total * 4 >= span else 0
    with _reader(shard, max(ahead, BUFFER_BYTES)) as reader:
        for member in members:
            yield _image_at(reader, member)


def _image_member(row: dict[str, Any]) -> dict[str, Any] | None:
    return next((m for m in row["members"] if m["name"] == row["image_member"]), None)


def _image_at(reader: TarReader, member: dict[str, Any] | None) -> bytes | SampleError:
    error = image_error(member["size"] if member else None)
    if error or member is None:
        return error or b""
    payload = reader.read(member["size"]) if reader.seek_to(member["offset"]) else b""
    if len(payload) < member["size"]:
        return SampleError("truncated_member", f"the tar ends inside member {member['name']!r}")
    return payload


@contextmanager
def _reader(shard: Shard, ahead_bytes: int = AHEAD_BYTES) -> Iterator[TarReader]:
    with translate_errors(shard.url, SourceError), open_stream(shard.url, ahead_bytes) as stream:
        yield TarReader(stream)


def _groups(reader: TarReader, *, load: bool) -> Iterator[_Group]:
    """Yield runs of members that share a key; a repeated extension starts a new one, a damaged place is one of its own.

    A damaged place has the key of the sample before it and a marker: `000017#damaged@40960`.
    """
    group: _Group | None = None
    last = ""
    for event in iter_members(reader):
        parts = split_name(event.name) if event.name else None
        if isinstance(event, Member):
            if parts is None:
                continue
            if group is None or parts[0] != group.key or parts[1] in group.fields:
                if group:
                    yield group
                group = _Group(parts[0])
                last = group.key
            group.add(event, parts[1], reader if load else None)
        elif group and parts and parts[0] == group.key:
            group.error = event.error
        else:
            if group:
                yield group
            group = _Group(f"{last}#damaged@{event.offset}", event.error)
    if group:
        yield group


KIND = SourceKind(
    order=1,
    label="tar files",
    endings=(".tar", ".tar.gz", ".tgz"),
    scan=scan_tar,
    fetch=fetch_tar,
    count=count_tar,
)
