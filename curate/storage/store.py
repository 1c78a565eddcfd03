"""The dataset folder, local or any fsspec URL: whole files in, whole files out."""

import contextlib
import functools
import os
import tempfile
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import pyarrow as pa
import pyarrow.parquet as pq

from curate.errors import StoreError
from curate.storage.checksums import checksummed_parquet
from curate.storage.filesystems import FLAT, open_filesystem
from curate.storage.redact import mask_text, mask_url

__all__ = ["PART", "Store", "remove_orphans"]

AHEAD_BYTES = 1 << 20  # read ahead of what is asked for; some backends would take 50 MB
PART = ".part"  # suffix of files being written; readers never list them
REPAIR = "`curate verify {} --repair` removes damaged cells, then run again"


@dataclass(frozen=True, slots=True)
class Store:
    """A folder of files, each written whole or not at all.

    Locally a file is written beside its place as `.part`, synced and renamed; object stores show a file only when
    its upload is complete. Paths are relative, with `/`.
    """

    root: str

    def url(self, path: str = "") -> str:
        """Return the full path or URL of a file in the folder."""
        root = self.root.rstrip("/")
        return f"{root}/{path}" if path else root

    def is_local(self) -> bool:
        """Tell whether the folder lies on a local file system."""
        return "://" not in self.root or self.root.startswith("file://")

    def local_path(self, path: str = "") -> Path:
        """Return the local path of a file; only meaningful when `is_local()`."""
        return Path(self.url(path).removeprefix("file://"))

    def exists(self, path: str) -> bool:
        if self.is_local():
            return self.local_path(path).exists()
        with self._asking("read", path):
            return bool(_filesystem(self.root)[0].exists(self._remote(path)))

    def list(self, folder: str) -> list[str]:
        """Return the names of the finished files in a folder, sorted; a missing folder is empty."""
        try:
            if self.is_local():
                names = os.listdir(self.local_path(folder))  # noqa: PTH208 (a million names: no Path objects)
            else:
                with self._asking("list", folder):
                    found = _filesystem(self.root)[0].ls(self._remote(folder), detail=False)
                names = [str(path).rstrip("/").rpartition("/")[2] for path in found]
        except FileNotFoundError:
            return []
        return sorted(name for name in names if not name.endswith(PART))

    def read_bytes(self, path: str) -> bytes:
        """Return a whole file; raises StoreError if it is missing or unreadable."""
        if self.is_local():
            with self.open_read(path) as stream:
                return bytes(stream.read())
        try:
            with self._asking("read", path):
                return bytes(_filesystem(self.root)[0].cat_file(self._remote(path)))  # one request
        except FileNotFoundError as error:
            raise StoreError(f"cannot read {mask_url(self.url(path))}: no such file") from error

    @contextlib.contextmanager
    def open_read(self, path: str) -> Iterator[IO[bytes]]:
        """Open a file for (ranged) reading; raises StoreError if that fails."""
        try:
            if self.is_local():
                stream: Any = self.local_path(path).open("rb")
            else:
                with self._asking("read", path):
                    stream = _filesystem(self.root)[0].open(self._remote(path), "rb", block_size=AHEAD_BYTES)
        except OSError as error:
            raise StoreError(f"cannot read {mask_url(self.url(path))}: {_reason(error)}") from error
        with stream:
            yield stream

    def read_table(self, path: str, columns: Sequence[str] | None = None) -> pa.Table:
        """Read a Parquet file; `columns` not in the file are left out. Raises StoreError if it is damaged."""
        with self.open_read(path) as stream:
            try:
                file = pq.ParquetFile(stream, page_checksum_verification=True)
                wanted = None if columns is None else [name for name in file.schema_arrow.names if name in columns]
                return file.read(columns=wanted)
            except (pa.ArrowException, OSError) as error:
                raise StoreError(f"{self.url(path)} is damaged ({error}); {REPAIR.format(self.root)}") from error

    @contextlib.contextmanager
    def open_write(self, path: str) -> Iterator[IO[bytes]]:
        """Open a file that appears under its name only when the block ends without an error."""
        try:
            with self._local_part(path) if self.is_local() else self._remote_upload(path) as stream:
                yield stream
        except OSError as error:
            raise StoreError(f"cannot write {mask_url(self.url(path))}: {_reason(error)}") from error

    def write_bytes(self, path: str, data: bytes) -> None:
        with self.open_write(path) as stream:
            stream.write(data)

    def write_table(self, path: str, table: pa.Table) -> None:
        """Write a Parquet file; equal tables give equal bytes."""
        with self.open_write(path) as stream:
            stream.write(checksummed_parquet(table))

    def remove(self, path: str) -> None:
        """Remove a file; a missing one is fine."""
        with contextlib.suppress(FileNotFoundError):
            if self.is_local():
                self.local_path(path).unlink()
            else:
                with self._asking("remove", path):
                    _filesystem(self.root)[0].rm_file(self._remote(path))

    def check_writable(self) -> None:
        """Raise StoreError unless a file can be made and removed here."""
        probe = f"probe-{uuid.uuid4().hex[:8]}"
        self.write_bytes(probe, b"")
        self.remove(probe)

    @contextlib.contextmanager
    def _local_part(self, path: str) -> Iterator[IO[bytes]]:
        final = self.local_path(path)
        final.parent.mkdir(parents=True, exist_ok=True)
        part = final.with_name(f"{final.name}.{uuid.uuid4().hex[:8]}{PART}")
        try:
            with part.open("wb") as stream:
                yield stream
                stream.flush()
                os.fsync(stream.fileno())
            part.replace(final)
        finally:
            part.unlink(missing_ok=True)

    @contextlib.contextmanager
    def _remote_upload(self, path: str) -> Iterator[IO[bytes]]:
        """Write to a local temporary file, then upload it whole: no backend then shows half a file."""
        with tempfile.NamedTemporaryFile(prefix="curate-") as stream:
            yield stream
            stream.flush()
            filesystem = _filesystem(self.root)[0]
            with self._asking("write", path):
                if self.root.partition("://")[0] not in FLAT:
                    filesystem.makedirs(self._remote(path).rpartition("/")[0], exist_ok=True)
                filesystem.put_file(stream.name, self._remote(path))

    @contextlib.contextmanager
    def _asking(self, verb: str, path: str) -> Iterator[None]:
        """Turn what a server answers, each backend in its own errors, into one sentence; a missing file stays one."""
        try:
            yield
        except FileNotFoundError:
            raise
        except Exception as error:
            raise StoreError(f"cannot {verb} {mask_url(self.url(path))}: {_reason(error)}") from error

    def _remote(self, path: str) -> str:
        return f"{_filesystem(self.root)[1].rstrip('/')}/{path}"


@functools.lru_cache(maxsize=64)
def _filesystem(root: str) -> tuple[Any, str]:
    try:
        return open_filesystem(root)
    except (ImportError, ValueError) as error:
        raise StoreError(f"cannot open {mask_url(root)}: {error}") from error


def _reason(error: Exception) -> str:
    text = getattr(error, "strerror", None) or str(error)
    return " ".join(mask_text(text).split()) or type(error).__name__


def remove_orphans(store: Store) -> int:
    """Remove `.part` files that killed writers left and return their number; only for who holds the dataset's lock."""
    found = store.local_path().glob(f"*/**/*{PART}") if store.is_local() else ()
    strays = [path for path in found if path.is_file()]  # an unfinished export is a folder of that name
    for path in strays:
        path.unlink(missing_ok=True)
    return len(strays)
