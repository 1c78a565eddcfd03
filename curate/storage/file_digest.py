"""The content of a small file as part of a stage's identity."""

import functools
import hashlib
from pathlib import Path

from curate.errors import PlanError

__all__ = ["file_identity"]


def file_identity(path: str) -> str:
    """Return the name of a local file and 16 hex digits of the SHA-256 of all its bytes.

    So the same content in another folder is the same stage, and changed content a new one. Raises PlanError if there
    is no such file.
    """
    file = Path(path).expanduser()
    if not file.is_file():
        raise PlanError(f"{path}: there is no such file; give a local file that every worker sees")
    stat = file.stat()
    return f"{file.name}, sha256={_digest(str(file), stat.st_size, stat.st_mtime_ns)}"


@functools.lru_cache(maxsize=1024)
def _digest(file: str, _size: int, _mtime_ns: int) -> str:
    with Path(file).open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()[:16]
