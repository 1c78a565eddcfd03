"""Files behind an fsspec URL: each uploaded whole, so that no backend ever shows half a file."""

import functools
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, Any, Final

from curate.errors import StoreError
from curate.storage.backend_errors import fsspec_errors
from curate.storage.filesystems import FLAT, open_filesystem
from curate.storage.redact import mask_url

__all__ = ["ObjectFiles"]

AHEAD_BYTES: Final = 1 << 20  # read beyond what is requested; some backends would take 50 MB


@dataclass(frozen=True, slots=True)
class ObjectFiles:
    """`Files` of a URL. Raises `backend_errors()`, FileNotFoundError for what is not there."""

    root: str

    def exists(self, path: str) -> bool:
        return bool(self.call("exists", path))

    def find(self) -> list[str]:
        root = filesystem_of(self.root)[1]
        return [str(path).removeprefix(root).lstrip("/") for path in self.call("find", "")]

    def list(self, folder: str) -> list[str]:
        return [str(path).rstrip("/").rpartition("/")[2] for path in self.call("ls", folder, detail=False)]

    def read_bytes(self, path: str) -> bytes:
        return bytes(self.call("cat_file", path))  # one request

    def open_read(self, path: str) -> IO[bytes]:
        stream: IO[bytes] = self.call("open", path, "rb", block_size=AHEAD_BYTES)
        return stream

    @contextmanager
    def open_write(self, path: str) -> Iterator[IO[bytes]]:
        """Write to a local temporary file, then upload it."""
        with tempfile.NamedTemporaryFile(prefix="curate-") as stream:
            yield stream
            stream.flush()
            filesystem, root = filesystem_of(self.root)
            if self.root.partition("://")[0] not in FLAT:
                self.call("makedirs", path.rpartition("/")[0], exist_ok=True)
            with fsspec_errors():
                filesystem.put_file(stream.name, f"{root}/{path}")

    def remove(self, path: str) -> None:
        self.call("rm_file", path)

    def call(self, method: str, path: str, *arguments: Any, **options: Any) -> Any:
        """Call a method of the fsspec file system on one of the files."""
        filesystem, root = filesystem_of(self.root)
        with fsspec_errors():
            return getattr(filesystem, method)(f"{root}/{path}", *arguments, **options)

    def speaks_s3(self) -> bool:
        """Tell whether the file system is s3fs, whose writes take conditions."""
        return "s3" in filesystem_of(self.root)[0].protocol


@functools.lru_cache(maxsize=64)
def filesystem_of(root: str) -> tuple[Any, str]:
    """Return the file system of a URL and the path inside it; raises StoreError if there is none."""
    try:
        filesystem, path = open_filesystem(root)
    except (ImportError, ValueError) as error:
        raise StoreError(f"cannot open {mask_url(root)}: {error}") from error
    return filesystem, path.rstrip("/")
