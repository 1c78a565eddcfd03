"""Model weights as part of a stage's identity."""

import functools
import hashlib
from dataclasses import dataclass
from pathlib import Path

from curate.errors import PlanError
from curate.models.known import pinned_revision
from curate.models.names import hub_of, is_path, split_revision
from curate.models.places import find_model, models_folder

__all__ = ["Weights"]

WHOLE = 64 << 20  # files up to this many bytes are read whole
BLOCK = 1 << 20
SAMPLES = 16


@dataclass(frozen=True, slots=True)
class Weights:
    """Where a model's weights lie: a local file or folder, or a name that a hub knows, maybe as `name@revision`.

    A local path is made absolute here, so that it means the same file on a worker with another working directory; a
    name stays a name there, whatever lies beside it. `revision` is a commit or a release; without one a name of
    known.toml means the pinned one, and any other what its hub calls main, which a run looks up once.

    The `repr` is the identity: of a name the name and its revision, wherever its files lie; for a local path the file
    name and a digest of the content, so the same weights in another folder are the same stage and changed weights are
    a new one. It reads the files, so ask for it once: see `Pipeline.resolve`.
    """

    where: str
    revision: str = ""

    def __post_init__(self) -> None:
        if is_path(self.where):
            object.__setattr__(self, "where", str(Path.cwd() / Path(self.where).expanduser()))
            return
        name, given = split_revision(self.where)
        object.__setattr__(self, "where", name)
        object.__setattr__(self, "revision", self.revision or given or pinned_revision(name))

    def is_local(self) -> bool:
        """Tell whether `where` is a path rather than a hub name or a pretrained tag."""
        return Path(self.where).is_absolute()

    def path(self) -> Path:
        """Return where the weights lie here: a file, or a folder; raises PlanError if they do not."""
        if self.is_local():
            path = Path(self.where)
            if not path.exists():
                place = path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path
                raise PlanError(f"weights not found: {place}; give an existing file or folder, or a hub name")
            return path
        found = find_model(self.where, self.revision)
        if found is None:
            where = models_folder() or "this machine"
            raise PlanError(
                f"{self} is not in {where}; fetch it with `curate models RECIPE --fetch DIR` and give --models DIR "
                "(on a cluster: a DIR that every node sees)"
            )
        return found / Path(self.where).name if hub_of(self.where) in ("ultralytics", "url") else found

    def __str__(self) -> str:
        return f"{self.where}@{self.revision}" if self.revision else self.where

    def __repr__(self) -> str:
        if not self.is_local():
            return f"Weights({str(self)!r})"
        path = self.path()
        return f"Weights({path.name!r}, blake2b={digest(path)})"


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
