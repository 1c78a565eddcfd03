"""Files of a folder on this machine: written beside their place, synced, renamed."""

import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

__all__ = ["PART", "LocalFiles"]

PART: Final = ".part"  # suffix of files being written; readers never list them


@dataclass(frozen=True, slots=True)
class LocalFiles:
    """`Files` of a local folder. Raises OSError, FileNotFoundError for what is not there."""

    root: Path

    def exists(self, path: str) -> bool:
        return (self.root / path).exists()

    def find(self) -> list[str]:
        start = len(str(self.root)) + 1
        return [f"{folder}/{name}"[start:] for folder, _, names in os.walk(self.root) for name in names]

    def list(self, folder: str) -> list[str]:
        return os.listdir(self.root / folder)  # noqa: PTH208 (a million names: no Path objects)

    def read_bytes(self, path: str) -> bytes:
        return (self.root / path).read_bytes()

    def open_read(self, path: str) -> IO[bytes]:
        return (self.root / path).open("rb")

    @contextmanager
    def open_write(self, path: str) -> Iterator[IO[bytes]]:
        final = self.root / path
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

    def remove(self, path: str) -> None:
        (self.root / path).unlink()
