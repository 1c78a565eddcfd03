"""Reading a tar as a hand-written loop would: mapped into memory, plain headers only, no copies of what is skipped."""

import mmap
from collections.abc import Iterator
from pathlib import Path

__all__ = ["samples"]


def samples(path: Path) -> Iterator[tuple[str, int, dict[str, bytes]]]:
    """Yield key, offset of the first member and contents by extension; members of a sample lie together."""
    with path.open("rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as tar:
        key, first, contents, at = "", 0, {}, 0
        while tar[at : at + 1] not in (b"\0", b""):
            name, _, extension = tar[at : at + 100].rstrip(b"\0").decode().partition(".")
            size = int(tar[at + 124 : at + 135], 8)
            if name != key and contents:
                yield key, first, contents
                contents = {}
            if not contents:
                key, first = name, at
            contents[extension] = tar[at + 512 : at + 512 + size]
            at += 512 + (size + 511) // 512 * 512
        if contents:
            yield key, first, contents
