"""Model weights as part of a stage's identity."""

import functools
import hashlib
from dataclasses import dataclass
from pathlib import Path

from curate.errors import PlanError

__all__ = ["Weights"]

WHOLE = 64 << 20  # files up to this many bytes are read whole
BLOCK = 1 << 20
SAMPLES = 16
FILES = (".bin", ".json", ".onnx", ".pt", ".pth", ".safetensors")


@dataclass(frozen=True, slots=True)
class Weights:
    """Where a model's weights lie: a local file or folder, or a name that the model's own loader knows.

    A local path is made absolute here, so that it means the same file on a worker with another working directory; a
    name stays a name there, whatever lies beside it. The `repr` is the identity: for a local path the file name and a
    digest of the content, so the same weights in another folder are the same stage and changed weights are a new one.
    It reads the files, so ask for it once: see `Pipeline.resolve`.
    """

    where: str

    def __post_init__(self) -> None:
        if _is_path(self.where):
            object.__setattr__(self, "where", str(Path.cwd() / Path(self.where).expanduser()))

    def is_local(self) -> bool:
        """Tell whether `where` is a path rather than a hub name or a pretrained tag."""
        return Path(self.where).is_absolute()

    def path(self) -> Path:
        """Return the local path; raises PlanError if nothing lies there."""
        path = Path(self.where)
        if not path.exists():
            place = path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path
            raise PlanError(f"weights not found: {place}; give an existing file or folder, or a hub name")
        return path

    def __repr__(self) -> str:
        if not self.is_local():
            return f"Weights({self.where!r})"
        path = self.path()
        return f"Weights({path.name!r}, blake2b={digest(path)})"


def _is_path(where: str) -> bool:
    """Tell a path from a name: `yolo11x.pt`, with no such file here, is a name that ultralytics knows."""
    if where.startswith((".", "/", "~")) or Path(where).exists():
        return True
    return Path(where).suffix in FILES and ("/" in where or not where.endswith(".pt"))


def digest(path: Path) -> str:
    """Return 16 hex digits over a file, or over all files of a folder in sorted order.

    Files over 64 MiB are sampled: their size and 16 evenly spaced blocks of 1 MiB, which tells apart any two
    checkpoints that were not made to collide and takes milliseconds on 15 GB.
    """
    files = sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]
    total = hashlib.blake2b(digest_size=8)
    for file in files:
        stat = file.stat()
        name = file.relative_to(path).as_posix() if path.is_dir() else ""
        total.update(f"{name}\0{stat.st_size}\0".encode())
        total.update(_content(str(file), stat.st_size, stat.st_mtime_ns))
    return total.hexdigest()


@functools.lru_cache(maxsize=4096)
def _content(file: str, size: int, _mtime_ns: int) -> bytes:
    state = hashlib.blake2b(digest_size=16)
    with Path(file).open("rb") as stream:
        if size <= WHOLE:
            while block := stream.read(BLOCK):
                state.update(block)
        else:
            for i in range(SAMPLES):
                stream.seek((size - BLOCK) * i // (SAMPLES - 1))
                state.update(stream.read(BLOCK))
    return state.digest()
