"""Write a file and its SHA-256 at once."""

import hashlib
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import IO

__all__ = ["HashedStream"]

BUFFER = 4 << 20
"""Bytes written and hashed at once."""


class HashedStream:
    """Passes bytes on to an open file in large blocks; a second thread computes their SHA-256 meanwhile.

    The digest is there after `finish`. Leaving the block ends the thread, whatever happened.
    """

    closed = False

    def __init__(self, stream: IO[bytes]) -> None:
        self.size_bytes = 0
        self._stream = stream
        self._state = hashlib.sha256()
        self._hasher = ThreadPoolExecutor(1)
        self._hashing: Future[None] | None = None
        self._waiting: list[bytes] = []
        self._waiting_bytes = 0

    def __enter__(self) -> "HashedStream":
        return self

    def __exit__(self, *error: type[BaseException] | BaseException | TracebackType | None) -> None:
        self._hasher.shutdown()

    def write(self, data: bytes) -> int:
        self._waiting.append(data)
        self._waiting_bytes += len(data)
        self.size_bytes += len(data)
        if self._waiting_bytes >= BUFFER:
            self.flush()
        return len(data)

    def tell(self) -> int:
        return self.size_bytes

    def flush(self) -> None:
        """Pass on what waits."""
        block, self._waiting, self._waiting_bytes = b"".join(self._waiting), [], 0
        if self._hashing:
            self._hashing.result()  # at most one block waits: memory is bounded
        self._hashing = self._hasher.submit(self._state.update, block)
        self._stream.write(block)

    def close(self) -> None:
        """Do nothing: who opened the file closes it."""

    def finish(self) -> str:
        """Pass on the rest and return the SHA-256 of all bytes, in hex."""
        self.flush()
        if self._hashing:
            self._hashing.result()
        return self._state.hexdigest()
