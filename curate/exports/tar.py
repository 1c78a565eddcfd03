"""Write tars fast and always the same: ustar headers, mtime, uid and gid 0."""

import hashlib
from concurrent.futures import Future, ThreadPoolExecutor
from typing import IO

from curate.errors import ContractError

__all__ = ["TarStream", "tar_header"]

BLOCK = 512
BUFFER = 4 << 20  # bytes written and hashed at once

_MODE = b"0000644\0" + b"0000000\0" * 2
_MTIME = b"00000000000\0"
_REST = (b"0" + b"\0" * 100 + b"ustar\x0000").ljust(BLOCK - 156, b"\0")
_SUM = sum(_MODE) + sum(_MTIME) + sum(_REST) + 8 * ord(" ")  # the checksum counts itself as spaces


def tar_header(name: str, size_bytes: int) -> bytes:
    """Return the 512-byte ustar header of a regular file; a name has at most 100 bytes, a file less than 8 GiB."""
    path = name.encode()
    if len(path) > 100 or size_bytes >= 8 << 30:
        raise ContractError(
            f"tar member {name!r} of {size_bytes} bytes does not fit ustar: at most 100 bytes and 8 GiB"
        )
    size = b"%011o\0" % size_bytes
    checksum = b"%06o\0 " % (_SUM + sum(path) + sum(size))
    return path.ljust(100, b"\0") + _MODE + size + _MTIME + checksum + _REST


class TarStream:
    """Appends members to an open file; a second thread computes the MD5 that a wids index holds."""

    def __init__(self, stream: IO[bytes], hasher: ThreadPoolExecutor) -> None:
        self.size_bytes = 0
        self._stream = stream
        self._hasher = hasher
        self._md5 = hashlib.md5(usedforsecurity=False)
        self._hashing: Future[None] | None = None
        self._buffer = bytearray()

    def add(self, name: str, data: bytes) -> int:
        """Append a member and return the offset of its first content byte."""
        self._append(tar_header(name, len(data)))
        offset = self.size_bytes
        self._append(data)
        self._append(bytes(-len(data) % BLOCK))
        if len(self._buffer) >= BUFFER:
            self._flush()
        return offset

    def finish(self) -> str:
        """Write the end of the archive and return the MD5 of the whole, in hex."""
        self._append(bytes(2 * BLOCK))
        self._flush()
        if self._hashing:
            self._hashing.result()
        return self._md5.hexdigest()

    def _append(self, data: bytes) -> None:
        self._buffer += data
        self.size_bytes += len(data)

    def _flush(self) -> None:
        block, self._buffer = self._buffer, bytearray()
        if self._hashing:
            self._hashing.result()  # at most one block waits: memory is bounded
        self._hashing = self._hasher.submit(self._md5.update, block)
        self._stream.write(block)
