"""Write tars fast and always the same: ustar headers, mtime, uid and gid 0."""

from curate.errors import ContractError
from curate.exports.hashed import HashedStream

__all__ = ["TarStream", "tar_header"]

BLOCK = 512

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
    """Appends members to a file."""

    def __init__(self, stream: HashedStream) -> None:
        self._stream = stream

    @property
    def size_bytes(self) -> int:
        return self._stream.size_bytes

    def add(self, name: str, data: bytes) -> int:
        """Append a member and return the offset of its first content byte."""
        self._stream.write(tar_header(name, len(data)))
        offset = self.size_bytes
        self._stream.write(data)
        self._stream.write(bytes(-len(data) % BLOCK))
        return offset

    def finish(self) -> str:
        """Write the end of the archive and return the SHA-256 of the whole, in hex."""
        self._stream.write(bytes(2 * BLOCK))
        return self._stream.finish()
