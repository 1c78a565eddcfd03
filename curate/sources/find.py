"""From what the user wrote to the list of shards: paths, braces, globs, folders, URLs."""

import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from fsspec.implementations.local import LocalFileSystem

from curate.errors import PlanError
from curate.sources.braces import expand_braces
from curate.sources.folder import folder_chunks
from curate.sources.opening import filesystem, is_local, is_missing, shown, translate_errors
from curate.sources.parquet import check_parquet
from curate.sources.shard import Shard
from curate.sources.tar import IMAGE_EXTENSIONS

__all__ = ["find_shards"]

KINDS: Final[dict[Any, tuple[str, ...]]] = {
    "tar": (".tar", ".tar.gz", ".tgz"),
    "parquet": (".parquet",),
    "folder": IMAGE_EXTENSIONS,
}
READ: Final = f"shards end in .tar, .tar.gz, .tgz or .parquet, pictures in .{', .'.join(IMAGE_EXTENSIONS)}"
_ENDING: Final = re.compile(r"\.(tar|tar\.gz|tgz|parquet)$", re.IGNORECASE)
MANY: Final = 16  # from here on one listing of the folder is cheaper than asking for each file


@dataclass(frozen=True, slots=True)
class _Found:
    """A shard that has no name yet: the name hashes the last `depth` parts of its path, and `content`.

    There may be a million, so all that follows from the path is worked out when it is needed. `chunk` counts the
    shards of a folder of images.
    """

    shard: Shard
    depth: int
    chunk: int | None = None
    listing: str = ""

    @property
    def parts(self) -> list[str]:
        return shown(self.shard.url).split("/")

    @property
    def label(self) -> str:
        parts = self.parts
        if self.chunk is not None:
            return f"{parts[-1]}.{self.chunk:05d}"
        return f"{parts[-2]}.{_ENDING.sub('', parts[-1])}"

    @property
    def content(self) -> str:
        return str(self.shard.size_bytes) if self.chunk is None else f"{self.chunk}\0{self.listing}"


def find_shards(inputs: Sequence[str]) -> list[Shard]:
    """Return the shards that paths, brace patterns, globs, folders and URLs stand for, each once, in the order given.

    Globs and folders are sorted. A folder with tars means its tars, else its Parquet files, else its images, at any
    depth; hidden files are left out, and images that a link takes out of the folder. Nothing but names, sizes and
    the first Parquet schema is read. Raises PlanError for a path or pattern that leads nowhere or to something else.
    """
    found: dict[tuple[str, tuple[str, ...]], _Found] = {}
    for text in inputs:
        with translate_errors(text, PlanError):
            here = _resolve(text)
            parquet = next((f.shard for f in here if f.shard.kind == "parquet"), None)
            if parquet:
                check_parquet(parquet)
        for one in here:
            found.setdefault((one.shard.url, one.shard.files), one)
    return _named(list(found.values()))


def _resolve(text: str) -> list[_Found]:
    """Return what one input stands for."""
    patterns = [str(Path(p).expanduser()) if is_local(p) else p for p in expand_braces(text)]
    system, _ = filesystem(patterns[0])
    paths = [filesystem(pattern)[1] for pattern in patterns] if len(patterns) < MANY else _strip(system, patterns)
    plain = [path for path in paths if not _is_glob(path)]
    infos = _infos(system, plain)
    found: list[_Found] = []
    for path in paths:
        if _is_glob(path):
            matches = system.glob(path, detail=True)
            if not matches:
                raise PlanError(f"no file matches {shown(_url(system, path))}; check the pattern")
            root = re.split(r"[*?\[]", path)[0].rpartition("/")[0]
            found += _gather(system, root, matches.values(), text)
        elif (info := infos.get(path)) is None:
            raise PlanError(f"{shown(_url(system, path))} does not exist; check the path")
        else:
            folder = info["type"] == "directory"
            found += _gather(system, path if folder else path.rpartition("/")[0], [info], text)
    return found


def _strip(system: Any, patterns: list[str]) -> list[str]:
    return [system._strip_protocol(pattern) for pattern in patterns]


def _is_glob(path: str) -> bool:
    """Tell whether a path is a glob; a question mark in a web address begins its query."""
    return any(mark in path for mark in ("*[" if path.startswith("http") else "*?["))


def _infos(system: Any, paths: list[str]) -> dict[str, dict[str, Any]]:
    """Return what the file system says about each path that exists."""
    if len(paths) >= MANY and "http" not in system.protocol:
        listed = {}
        for parent in sorted({path.rpartition("/")[0] for path in paths}):
            if system.isdir(parent):
                listed.update({info["name"]: info for info in system.ls(parent, detail=True)})
        return listed

    def ask(path: str) -> dict[str, Any] | None:
        try:
            return dict(system.info(path))
        except FileNotFoundError as error:
            if not is_missing(error):
                raise
            return None

    with ThreadPoolExecutor(MANY) as pool:
        return {path: info for path, info in zip(paths, pool.map(ask, paths), strict=True) if info}


def _gather(system: Any, root: str, infos: Iterable[dict[str, Any]], text: str) -> list[_Found]:
    """Return the shards among files and folders: all of the first kind that is there, sorted."""
    files: dict[str, dict[str, Any]] = {}
    for info in infos:
        if info["type"] == "directory":
            below = system.find(info["name"], detail=True)
            files.update({name: part for name, part in below.items() if "/." not in name[len(root) :]})
        else:
            files[info["name"]] = info
    for kind, endings in KINDS.items():
        names = sorted(name for name in files if shown(_url(system, name)).lower().endswith(endings))
        sizes = {name: _size(system, files[name]) for name in names}
        if names and kind == "folder":
            return _folders(system, root, {n: s for n, s in sizes.items() if _stays(system, root, n)}, text)
        if names:
            return [_Found(Shard("", kind, _url(system, name), size), 2) for name, size in sizes.items()]
    raise PlanError(f"{shown(text)} holds nothing to read; {READ}")


def _url(system: Any, name: str) -> str:
    return name if isinstance(system, LocalFileSystem) else str(system.unstrip_protocol(name))


def _size(system: Any, info: dict[str, Any]) -> int:
    """Return the size in bytes, 0 where a server does not tell; links count as what they point to."""
    if info.get("islink"):
        return Path(info["name"]).stat().st_size
    size = info.get("size")
    return int((system.info(info["name"]).get("size") if size is None else size) or 0)


def _stays(system: Any, root: str, name: str) -> bool:
    return not isinstance(system, LocalFileSystem) or Path(name).resolve().is_relative_to(Path(root).resolve())


def _folders(system: Any, root: str, sizes: dict[str, int], text: str) -> list[_Found]:
    if not sizes:
        raise PlanError(f"{shown(text)} holds only links that leave the folder; copy the pictures into it")
    url = _url(system, root)
    by_file = {name[len(root) :].lstrip("/"): size for name, size in sizes.items()}
    found = []
    for index, files in enumerate(folder_chunks(list(by_file))):
        listing = hashlib.blake2b(repr([(file, by_file[file]) for file in files]).encode("utf-8", "replace"))
        shard = Shard("", "folder", url, sum(by_file[file] for file in files), files)
        found.append(_Found(shard, 1, index, listing.hexdigest()))
    return found


def _named(found: list[_Found]) -> list[Shard]:
    """Give each shard its name; where two would be equal, both hash one more parent folder until they differ."""
    while True:
        names = [_name(one) for one in found]
        if len(set(names)) == len(names):
            return [replace(one.shard, name=name) for one, name in zip(found, names, strict=True)]
        equal = {name for name, times in Counter(names).items() if times > 1}
        found = [
            replace(one, depth=one.depth + 1) if name in equal else one for one, name in zip(found, names, strict=True)
        ]


def _name(one: _Found) -> str:
    parts = one.parts
    path = "/".join(parts[-one.depth :]) if one.depth <= len(parts) else one.shard.url
    digest = hashlib.blake2b(f"{path}\0{one.content}".encode("utf-8", "replace"), digest_size=4).hexdigest()
    return f"{re.sub(r'[^A-Za-z0-9._-]+', '_', one.label)[-100:].lstrip('.')}-{digest}"
