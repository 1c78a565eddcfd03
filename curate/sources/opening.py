"""Opening local and remote files: the only place of the sources that opens anything."""

import io
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import pyarrow as pa

from curate.errors import CurateError, PlanError
from curate.storage.backend_errors import backend_errors, fsspec_errors
from curate.storage.filesystems import open_filesystem
from curate.storage.redact import mask_text

__all__ = [
    "AHEAD_BYTES",
    "BUFFER_BYTES",
    "display_url",
    "file_size",
    "filesystem",
    "is_local",
    "is_missing",
    "open_stream",
    "read_start",
    "translate_errors",
]

BUFFER_BYTES: Final = 1 << 18  # neighbours closer than this come with one read
AHEAD_BYTES: Final = 4 << 20  # requested at once from a server, where a request costs more than a megabyte
DECODER_ERRORS: Final = (EOFError, UnicodeDecodeError, pa.ArrowException, zlib.error)  # gzip.BadGzipFile is an OSError


def is_local(url: str) -> bool:
    """Tell whether a shard's URL is a plain path of this machine."""
    return "://" not in url and "::" not in url


def display_url(url: str) -> str:
    """Return a URL fit for messages: signatures and passwords left out."""
    scheme, mark, rest = url.partition("://")
    if not mark:
        return url
    host, slash, path = rest.partition("/")
    return f"{scheme}://{host.rpartition('@')[2]}{slash}{path.partition('?')[0]}"


@contextmanager
def translate_errors(url: str, kind: type[CurateError]) -> Iterator[None]:
    """Turn an error of a disk, a server or a decoder while reading `url` into one sentence of the given kind.

    All other errors pass: an IndexError inside is a bug of ours and not a bad source.
    """
    try:
        yield
    except (*backend_errors(), *DECODER_ERRORS) as error:
        real = error if is_missing(error) else error.__cause__
        reason = " ".join(mask_text(str(real).replace(url, display_url(url))).split()) or type(real).__name__
        raise kind(f"cannot read {display_url(url)}: {reason}") from error


def is_missing(error: Exception) -> bool:
    """Tell whether an error means what it says: fsspec's web file system calls every failure a missing file."""
    cause = error.__cause__ if isinstance(error, FileNotFoundError) else None
    from_web = isinstance(cause, TimeoutError) or type(cause).__module__.startswith("aiohttp")
    return not from_web or getattr(cause, "status", None) in (404, 410)


def filesystem(url: str) -> tuple[Any, str]:
    """Return the fsspec file system of a URL or path and the path inside it; PlanError if it is unknown."""
    try:
        with translate_errors(url, PlanError), fsspec_errors():
            return open_filesystem(url)
    except ImportError as error:
        raise PlanError(f"cannot read {display_url(url)}: {error}; for s3:// run: pip install 'curate[s3]'") from error


def open_stream(url: str, ahead_bytes: int = AHEAD_BYTES) -> io.BufferedReader:
    """Open a file for buffered reading, seekable wherever the server can seek.

    `ahead_bytes` is what a remote file is read ahead by: little for few reads that are far apart.
    """
    if is_local(url):
        return io.BufferedReader(io.FileIO(url), BUFFER_BYTES)
    system, path = filesystem(url)
    with fsspec_errors():
        opened = system.open(path, "rb", block_size=ahead_bytes)
        if "http" in system.protocol and not _gives_ranges(opened):
            opened = _ForwardOnly(system.open(path, "rb", block_size=0))
    return io.BufferedReader(opened, BUFFER_BYTES)


def _gives_ranges(opened: Any) -> bool:
    """Tell whether a web server gives the last byte of a file alone, by a byte range."""
    try:
        opened.seek(max(0, int(opened.size or 0) - 1))
        opened.read(1)
        opened.seek(0)
    except ValueError:  # what fsspec raises if there are no ranges
        return False
    return True


class _ForwardOnly(io.RawIOBase):
    """A web file in one stream. fsspec's own claims to be seekable; this one does not."""

    def __init__(self, stream: Any) -> None:
        self.stream = stream

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data: bytes = self.stream.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def close(self) -> None:
        self.stream.close()
        super().close()


def file_size(url: str) -> int | None:
    """Return the size of a file in bytes, or None if it does not exist."""
    try:
        if is_local(url):
            return Path(url).stat().st_size
        system, path = filesystem(url)
        with fsspec_errors():
            return int(system.info(path)["size"])
    except FileNotFoundError as error:
        if not is_missing(error):
            raise
        return None


def read_start(url: str, most: int) -> bytes:
    """Return the first bytes of a file, at most `most`."""
    if is_local(url):
        with Path(url).open("rb") as stream:
            return stream.read(most)
    system, path = filesystem(url)
    with fsspec_errors():
        return bytes(system.cat_file(path, start=0, end=most))
