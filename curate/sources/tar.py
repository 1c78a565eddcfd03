"""WebDataset tars, in img2dataset's layout or plain: contiguous members with one key are one sample."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import pyarrow as pa

from curate.errors import SampleError, SourceError
from curate.sources.image_limits import MAX_IMAGE_BYTES, image_error
from curate.sources.opening import AHEAD_BYTES, BUFFER_BYTES, open_stream, translate_errors
from curate.sources.shard import Member, Shard, SourceSample
from curate.sources.tar_walk import TarReader, walk
from curate.sources.texts import METADATA_BYTES, TEXT_BYTES, caption_in, clip_text, read_metadata, read_text

__all__ = ["IMAGE_EXTENSIONS", "count_tar", "fetch_tar", "scan_tar", "split_name"]

IMAGE_EXTENSIONS: Final = ("jpg", "jpeg", "png", "webp", "gif", "avif", "bmp", "tif", "tiff")
RANK: Final = {extension: rank for rank, extension in enumerate(IMAGE_EXTENSIONS)}


def split_name(name: str) -> tuple[str, str] | None:
    """Return key and lower-case extension of a member: `a/b.seg.png` gives `a/b` and `seg.png`.

    None for what is no part of a sample: hidden files (macOS writes `._x.jpg` beside `x.jpg`) and names without a dot.
    """
    folder, slash, last = name.removeprefix("./").rpartition("/")
    stem, dot, extension = last.partition(".")
    return (folder + slash + stem, extension.lower()) if stem and dot else None


class _Group:
    """The members of one sample while they pass by; with `tape` None contents are not read."""

    def __init__(self, key: str, trouble: SampleError | None = None) -> None:
        self.key = key
        self.trouble = trouble
        self.fields: set[str] = set()
        self.members: list[Member] = []
        self.rank = len(RANK)
        self.image_member: Member | None = None
        self.image: bytes | None = None
        self.text: tuple[str, bool] | None = None
        self.metadata: tuple[str | None, Any] = (None, None)

    def add(self, member: Member, field: str, tape: TarReader | None) -> None:
        self.fields.add(field)
        self.members.append(member)
        if tape is None:
            return
        rank = RANK.get(field, len(RANK))
        if rank < self.rank:
            self.rank, self.image_member = rank, member
            self.image = tape.read(member.size_bytes) if member.size_bytes <= MAX_IMAGE_BYTES else None
        elif field == "txt":
            self.text = read_text(tape.read(min(member.size_bytes, TEXT_BYTES)), member.size_bytes)
        elif field == "json" and member.size_bytes <= METADATA_BYTES:
            self.metadata = read_metadata(tape.read(member.size_bytes))

    def sample(self, *, repeated: bool) -> SourceSample:
        trouble = self.trouble
        if trouble is None and repeated:
            trouble = SampleError("duplicate_key", f"key {self.key!r} came before in this shard; the first is kept")
        if trouble is None:
            trouble = image_error(self.image_member.size_bytes if self.image_member else None)
        caption = None if self.text else caption_in(self.metadata[1])
        text, cut = self.text or (clip_text(caption) if caption is not None else (None, False))
        return SourceSample(
            key=self.key,
            image_member=self.image_member.name if self.image_member else None,
            image=None if trouble else self.image,
            alt_text=text,
            metadata=self.metadata[0],
            members=tuple(self.members),
            alt_text_cut=cut,
            trouble=trouble,
        )


def scan_tar(shard: Shard) -> Iterator[SourceSample]:
    """Yield the samples of a tar in one forward pass; memory holds one sample and the keys seen."""
    seen: set[str] = set()
    with _tape(shard) as tape:
        for group in _groups(tape, load=True):
            yield group.sample(repeated=group.key in seen)
            seen.add(group.key)


def count_tar(shard: Shard) -> Iterator[None]:
    """Yield once per sample, reading only headers where the file can seek."""
    with _tape(shard) as tape:
        for _ in _groups(tape, load=False):
            yield


def fetch_tar(shard: Shard, samples: pa.Table) -> Iterator[bytes | SampleError]:
    """Yield the image bytes of rows of the sample table, in their order, by seeking to each.

    Rows in shard order read forward only. Where a quarter or more of the span is wanted it is read in large pieces.
    """
    members = [_image_member(row) for row in samples.select(["image_member", "members"]).to_pylist()]
    wanted = [member for member in members if member]
    span = max((m["offset"] for m in wanted), default=0) - min((m["offset"] for m in wanted), default=0)
    total = sum(m["size"] for m in wanted)
    ahead = min(total, AHEAD_BYTES) if total * 4 >= span else 0
    with _tape(shard, max(ahead, BUFFER_BYTES)) as tape:
        for member in members:
            yield _image_at(tape, member)


def _image_member(row: dict[str, Any]) -> dict[str, Any] | None:
    return next((m for m in row["members"] if m["name"] == row["image_member"]), None)


def _image_at(tape: TarReader, member: dict[str, Any] | None) -> bytes | SampleError:
    trouble = image_error(member["size"] if member else None)
    if trouble or member is None:
        return trouble or b""
    payload = tape.read(member["size"]) if tape.goto(member["offset"]) else b""
    if len(payload) < member["size"]:
        return SampleError("truncated_member", f"the tar ends inside member {member['name']!r}")
    return payload


@contextmanager
def _tape(shard: Shard, ahead_bytes: int = AHEAD_BYTES) -> Iterator[TarReader]:
    with translate_errors(shard.url, SourceError), open_stream(shard.url, ahead_bytes) as stream:
        yield TarReader(stream)


def _groups(tape: TarReader, *, load: bool) -> Iterator[_Group]:
    """Yield runs of members that share a key; a repeated extension starts a new one, a broken place is one of its own.

    A broken place has the key of the sample before it and a marker: `000017#damaged@40960`.
    """
    group: _Group | None = None
    last = ""
    for event in walk(tape):
        parts = split_name(event.name) if event.name else None
        if isinstance(event, Member):
            if parts is None:
                continue
            if group is None or parts[0] != group.key or parts[1] in group.fields:
                if group:
                    yield group
                group = _Group(parts[0])
                last = group.key
            group.add(event, parts[1], tape if load else None)
        elif group and parts and parts[0] == group.key:
            group.trouble = event.trouble
        else:
            if group:
                yield group
            group = _Group(f"{last}#damaged@{event.offset}", event.trouble)
    if group:
        yield group
