"""The tar reader: the regular members of a tar in order, and where it is damaged.

Python's tarfile builds an object of 20 attributes per member and stops at a damaged header; reading the 512-byte
headers ourselves takes half the CPU time (docs/benchmarks.md, "Reading tars") and goes on at the next valid one. Read
are ustar, PAX (path, size), GNU long names, base-256 sizes, and gzip around all of it.
"""

import gzip
import io
import zlib
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

from curate.errors import SampleError
from curate.sources.shard import Member

__all__ = ["BadTarFile", "Damage", "TarReader", "iter_members"]

BLOCK: Final = 512
ZEROS: Final = bytes(BLOCK)
EXTENDED_BYTES: Final = 1 << 20  # of a PAX record or a long name
SKIP_BYTES: Final = 1 << 20
EXTENDED: Final = (b"x", b"g", b"L", b"K")
REGULAR: Final = (b"0", b"\0", b"7")
WITHOUT_DATA: Final = (b"1", b"2", b"3", b"4", b"5", b"6")  # links, devices, directories, pipes


class BadTarFile(OSError):
    """A file that does not begin like a tar, as gzip.BadGzipFile is for gzip."""


@dataclass(frozen=True, slots=True)
class Damage:
    """A place where the tar is damaged or ends early; `name` is the member that is cut, if one is."""

    offset: int
    name: str | None
    error: SampleError


class TarReader:
    """Bytes of a tar by position, unpacked if they are gzip; going back is possible only where seeking is."""

    def __init__(self, stream: io.BufferedReader) -> None:
        packed = stream.peek(2)[:2] == b"\x1f\x8b"
        self.stream: Any = gzip.GzipFile(fileobj=stream) if packed else stream
        self.size: int | None = None  # unknown where only reading tells
        with suppress(OSError, ValueError):  # fsspec's web streams call themselves seekable and raise
            if not packed:
                self.size = stream.seek(0, io.SEEK_END)
                stream.seek(0)
        self.position = 0

    def read(self, count: int) -> bytes:
        """Return `count` bytes, fewer only at the end of the tar or of what can be unpacked."""
        try:
            data: bytes = self.stream.read(count)
        except (EOFError, gzip.BadGzipFile, zlib.error):
            data = b""
        self.position += len(data)
        return data

    def seek_to(self, position: int) -> bool:
        """Move to a position; False if the tar ends before it."""
        if self.size is not None or position < self.position:
            self.stream.seek(position)
            self.position = position
            return self.size is None or position <= self.size
        while self.position < position:
            if not self.read(min(SKIP_BYTES, position - self.position)):
                return False
        return True


@dataclass(frozen=True, slots=True)
class _Header:
    name: str
    size: int
    kind: bytes


def iter_members(reader: TarReader) -> Iterator[Member | Damage]:
    """Yield the regular members in order, and a Damage for each damaged place.

    The caller may read a member's content before asking for the next. Skipped: links, devices, directories, sparse
    files, absolute names, names with `..`. After a damaged header the walk goes on at the next valid one. Zero blocks
    are skipped, so concatenated archives are read whole. Raises BadTarFile if the first block is no tar header.
    """
    block = _next_block(reader)
    while block:
        entry = _entry(reader, block)
        if isinstance(entry, Damage):
            yield entry
            block = _resync(reader) if entry.error.code == "tar_damaged" else b""
            continue
        start = reader.position
        if entry.kind in REGULAR and _is_safe(entry.name):
            yield Member(entry.name, start, entry.size)
        end = start + (0 if entry.kind in WITHOUT_DATA else entry.size)
        if not reader.seek_to(end):
            cut = SampleError("truncated_member", f"the tar ends inside member {entry.name!r}")
            yield Damage(start, entry.name, cut)
            return
        reader.seek_to(_padded(end))
        block = _next_block(reader)


def _entry(reader: TarReader, block: bytes) -> _Header | Damage:
    """Return the member that begins with this block, its extended headers applied; the reader stands at its content."""
    extended: dict[str, str] = {}
    while block:
        start = reader.position - len(block)
        header = _parse(block)
        if header is None:
            return _damage(start, block)
        if header.kind not in EXTENDED:
            kind = b"S" if "GNU.sparse" in extended else header.kind
            return _Header(extended.get("path", header.name), int(extended.get("size", header.size)), kind)
        content = reader.read(header.size)
        reader.seek_to(_padded(reader.position))
        if header.kind == b"L":
            extended.setdefault("path", _until_nul(content).decode("utf-8", "replace"))
        elif header.kind == b"x":
            extended.update(_pax(content))
        block = _next_block(reader)
    return Damage(reader.position, None, SampleError("truncated_member", "the tar ends after an extended header"))


def _damage(start: int, block: bytes) -> Damage:
    if start == 0:
        raise BadTarFile(f"not a tar file: it begins with the bytes {block[:8].hex(' ')}")
    if len(block) < BLOCK:
        return Damage(start, None, SampleError("truncated_member", "the tar ends inside a header"))
    return Damage(start, None, SampleError("tar_damaged", f"no valid tar header at byte {start}"))


def _next_block(reader: TarReader) -> bytes:
    """Return the next block that is not zeros, b"" at the end; a shorter one if the tar ends inside it."""
    while (block := reader.read(BLOCK)) == ZEROS:
        pass
    return block if len(block) == BLOCK or block.strip(b"\0") else b""


def _padded(position: int) -> int:
    return (position + BLOCK - 1) // BLOCK * BLOCK


def _resync(reader: TarReader) -> bytes:
    """Return the next block that is a valid header, b"" if there is none."""
    while len(block := reader.read(BLOCK)) == BLOCK:
        if block[257:262] == b"ustar" and _parse(block):
            return block
    return b""


def _parse(block: bytes) -> _Header | None:
    """Return a header whose checksum holds, else None."""
    if len(block) < BLOCK:
        return None
    try:
        stated = _number(block[148:156])
        if stated != sum(block) - sum(block[148:156]) + 256:
            return None
        size = _number(block[124:136])
    except ValueError:
        return None
    name, kind = _until_nul(block[:100]), block[156:157]
    if block[257:263] == b"ustar\0" and block[345]:
        name = _until_nul(block[345:500]) + b"/" + name
    if kind == b"\0" and name.endswith(b"/"):
        kind = b"5"
    if kind in EXTENDED and size > EXTENDED_BYTES:
        return None
    return _Header(name.decode("utf-8", "replace"), size, kind)


def _until_nul(field: bytes) -> bytes:
    return field.partition(b"\0")[0]


def _number(field: bytes) -> int:
    """Return an octal or base-256 field; ValueError if it is neither or negative."""
    if field[0] == 0x80:
        return int.from_bytes(field[1:], "big")
    number = int(_until_nul(field).strip() or b"0", 8)
    if number < 0:
        raise ValueError(number)
    return number


def _pax(content: bytes) -> dict[str, str]:
    """Return what matters of a PAX header: lines of `LENGTH KEY=VALUE`, read up to the first broken one."""
    records: dict[str, str] = {}
    at = 0
    while at < len(content):
        length, _, _ = content[at : at + 10].partition(b" ")
        if not length.isdigit() or not len(length) < int(length) <= len(content) - at:
            break
        key, _, value = content[at + len(length) + 1 : at + int(length) - 1].partition(b"=")
        if key == b"path" or (key == b"size" and value.isdigit() and len(value) < 19):
            records[key.decode()] = value.decode("utf-8", "replace")
        elif key.startswith(b"GNU.sparse"):
            records["GNU.sparse"] = ""
        at += int(length)
    return records


def _is_safe(name: str) -> bool:
    return not name.startswith("/") and ".." not in name.split("/")
