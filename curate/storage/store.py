"""The dataset folder, local or any fsspec URL: whole files in, whole files out."""

import contextlib
import uuid
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Protocol

import pyarrow as pa
import pyarrow.parquet as pq

from curate.errors import StoreError
from curate.storage.backend_errors import store_errors
from curate.storage.checksums import checksummed_parquet
from curate.storage.local_files import PART, LocalFiles
from curate.storage.object_files import ObjectFiles

__all__ = ["PART", "Files", "Store", "remove_orphans"]

REPAIR = "`curate verify {} --repair` removes damaged cells, then run again"


class Files(Protocol):
    """What a store needs of the place where its files lie; paths are relative, with `/`.

    Methods raise `backend_errors()`, and FileNotFoundError for a file or folder that is not there.
    """

    def exists(self, path: str) -> bool: ...
    def find(self) -> list[str]:
        """Return the paths of all files in all folders, in any order, those of unfinished files among them."""

    def list(self, folder: str) -> list[str]:
        """Return names in any order, those of unfinished files among them."""

    def read_bytes(self, path: str) -> bytes: ...
    def open_read(self, path: str) -> IO[bytes]: ...
    def open_write(self, path: str) -> AbstractContextManager[IO[bytes]]:
        """Open a file that appears under its name only when the block ends without an error."""

    def remove(self, path: str) -> None: ...


@dataclass(frozen=True, slots=True)
class Store:
    """A folder of files, each written whole or not at all.

    Locally a file is written beside its place as `.part`, synced and renamed; object stores show a file only when
    its upload is complete. Paths are relative, with `/`. What a backend refuses raises StoreError in one sentence.
    """

    root: str

    @property
    def files(self) -> Files:
        return LocalFiles(self.local_path()) if self.is_local() else ObjectFiles(self.root)

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
        with store_errors("read", self.url(path)):
            return self.files.exists(path)

    def find(self) -> list[str]:
        """Return the paths of the finished files in all folders, sorted; a missing folder is empty."""
        with store_errors("list", self.url()):
            try:
                paths = self.files.find()
            except FileNotFoundError:
                return []
        return sorted(path for path in paths if not path.endswith(PART))

    def list(self, folder: str) -> list[str]:
        """Return the names of the finished files in a folder, sorted; a missing folder is empty."""
        with store_errors("list", self.url(folder)):
            try:
                names = self.files.list(folder)
            except FileNotFoundError:
                return []
        return sorted(name for name in names if not name.endswith(PART))

    def read_bytes(self, path: str) -> bytes:
        """Return a whole file; raises StoreError if it is missing or unreadable."""
        with store_errors("read", self.url(path)):
            return self.files.read_bytes(path)

    @contextlib.contextmanager
    def open_read(self, path: str) -> Iterator[IO[bytes]]:
        """Open a file for (ranged) reading; raises StoreError if that fails."""
        with store_errors("read", self.url(path)):
            stream = self.files.open_read(path)
        with stream:
            yield stream

    def read_table(self, path: str, columns: Sequence[str] | None = None) -> pa.Table:
        """Read a Parquet file; `columns` not in the file are left out. Raises StoreError if it is damaged."""
        with store_errors("read", self.url(path)), self.open_read(path) as stream:
            try:
                file = pq.ParquetFile(stream, page_checksum_verification=True)
                names = None if columns is None else [name for name in file.schema_arrow.names if name in columns]
                return file.read(columns=names)
            except (pa.ArrowException, OSError) as error:
                if isinstance(error, OSError) and (type(error) is not OSError or error.errno):
                    raise  # of the disk or the network; pyarrow's own OSErrors have no number
                raise StoreError(f"{self.url(path)} is damaged ({error}); {REPAIR.format(self.root)}") from error

    @contextlib.contextmanager
    def open_write(self, path: str) -> Iterator[IO[bytes]]:
        """Open a file that appears under its name only when the block ends without an error."""
        with store_errors("write", self.url(path)), self.files.open_write(path) as stream:
            yield stream

    def write_bytes(self, path: str, data: bytes) -> None:
        with self.open_write(path) as stream:
            stream.write(data)

    def write_table(self, path: str, table: pa.Table) -> None:
        """Write a Parquet file; equal tables give equal bytes."""
        self.write_bytes(path, checksummed_parquet(table))

    def remove(self, path: str) -> None:
        """Remove a file; a missing one is fine."""
        with store_errors("remove", self.url(path)), contextlib.suppress(FileNotFoundError):
            self.files.remove(path)

    def check_writable(self) -> None:
        """Raise StoreError unless a file can be made and removed here."""
        probe = f"probe-{uuid.uuid4().hex[:8]}"
        self.write_bytes(probe, b"")
        self.remove(probe)


def remove_orphans(store: Store) -> int:
    """Remove `.part` files that killed writers left and return their number; only for who holds the dataset's lock."""
    parts = store.local_path().glob(f"*/**/*{PART}") if store.is_local() else ()
    orphans = [path for path in parts if path.is_file()]  # an unfinished export is a folder of that name
    for path in orphans:
        path.unlink(missing_ok=True)
    return len(orphans)
