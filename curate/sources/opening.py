"""Reaching local and remote files: the only place of the sources that opens anything."""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from curate.errors import CurateError, PlanError
from curate.storage.filesystems import open_filesystem
from curate.storage.redact import mask_text

__all__ = [
    "AHEAD_BYTES",
    "BUFFER_BYTES",
    "file_size",
    "filesystem",
    "is_local",
    "is_missing",
    "open_stream",
    "read_start",
    "shown",
    "translate_errors",
]

BUFFER_BYTES: Final = 1 << 18  # neighbours closer than this come with one read
AHEAD_BYTES: Final = 4 << 20  # asked for at once from a server, where a request costs more than a megabyte


def is_local(url: str) -> bool:
    """Tell whether a shard's URL is a plain path of this machine."""
    return "://" not in url and "::" not in url


def shown(url: str) -> str:
    """Return a URL fit for messages: signatures and passwords left out."""
    scheme, mark, rest = url.partition("://")
    if not mark:
        return url
    host, slash, path = rest.partition("/")
    return f"{scheme}://{host.rpartition('@')[2]}{slash}{path.partition('?')[0]}"


@contextmanager
def translate_errors(url: str, kind: type[CurateError]) -> Iterator[None]:
    """Turn whatever goes wrong while reading `url` into one sentence of the given kind."""
    try:
        yield
    except CurateError:
        raise
    except ImportError as error:
        raise PlanError(f"cannot reach {shown(url)}: {error}; for s3:// run: pip install 'curate[s3]'") from error
    except Exception as error:  # every fsspec backend raises its own errors, many of them no OSError
        real = error if is_missing(error) else error.__cause__
        reason = " ".join(mask_text(str(real).replace(url, shown(url))).split()) or type(real).__name__
        raise kind(f"cannot read {shown(url)}: {reason}") from error


def is_missing(error: Exception) -> bool:
    """Tell whether an error means what it says: fsspec's web file system calls every failure a missing file."""
    cause = error.__cause__ if isinstance(error, FileNotFoundError) else None
    from_web = isinstance(cause, TimeoutError) or type(cause).__module__.startswith("aiohttp")
    return not from_web or getattr(cause, "status", None) in (404, 410)


def filesystem(url: str) -> tuple[Any, str]:
    """Return the fsspec file system of a URL or path and the path inside it; PlanError if it is unknown."""
    with translate_errors(url, PlanError):
        return open_filesystem(url)


def open_stream(url: str, ahead_bytes: int = AHEAD_BYTES) -> io.BufferedReader:
    """Open a file for buffered reading, seekable wherever the server can seek.

    `ahead_bytes` is what a remote file is read ahead by: little where few and far places are wanted.
    """
    if is_local(url):
        return io.BufferedReader(io.FileIO(url), BUFFER_BYTES)
    system, path = filesystem(url)
    web = "http" in system.protocol
    opened = _open_web(system, path, ahead_bytes) if web else system.open(path, "rb", block_size=ahead_bytes)
    return io.BufferedReader(opened, BUFFER_BYTES)


def _open_web(system: Any, path: str, ahead_bytes: int) -> Any:
    """Open a web address, with byte ranges if the server gives the last byte when asked for it alone."""
    opened = system.open(path, "rb", block_size=ahead_bytes)
    try:
        opened.seek(max(0, int(opened.size or 0) - 1))
        opened.read(1)
        opened.seek(0)
    except ValueError:  # fsspec's word for "no ranges"
        return system.open(path, "rb", block_size=0)
    return opened


def file_size(url: str) -> int | None:
    """Return the size of a file in bytes, or None if it does not exist."""
    try:
        if is_local(url):
            return Path(url).stat().st_size
        system, path = filesystem(url)
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
    return bytes(system.cat_file(path, start=0, end=most))
