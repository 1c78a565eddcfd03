"""Resolve paths, brace patterns, globs, folders and URLs to a list of shards."""

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
from curate.sources.kinds import kind_named, source_kinds
from curate.sources.opening import display_url, filesystem, is_local, is_missing, translate_errors
from curate.sources.shard import Shard
from curate.storage.backend_errors import fsspec_errors

__all__ = ["find_shards"]

MANY: Final = 16  # from here on one listing of the folder is cheaper than a request for each file


@dataclass(frozen=True, slots=True)
class _Unnamed:
    """A shard that has no name yet: the name hashes the last `depth` parts of its path, and `content`.

    There may be a million, so all that follows from the path is worked out when it is needed. `group` counts the
    shards of a folder whose files are grouped, `listing` is a digest of the names and sizes of the group's files.
    """

    shard: Shard
    depth: int
    group: int | None = None
    listing: str = ""

    @property
    def parts(self) -> list[str]:
        return display_url(self.shard.url).split("/")

    @property
    def label(self) -> str:
        parts = self.parts
        if self.group is not None:
            return f"{parts[-1]}.{self.group:05d}"
        return f"{parts[-2]}.{_without_ending(parts[-1], kind_named(self.shard.kind).endings)}"

    @property
    def content(self) -> str:
        return str(self.shard.size_bytes) if self.group is None else f"{self.group}\0{self.listing}"


def find_shards(inputs: Sequence[str]) -> list[Shard]:
    """Return the shards that paths, brace patterns, globs, folders and URLs stand for, each once, in the order given.

    Globs and folders are sorted. A folder means its files of the first kind that it has any of, at any depth: tars,
    else Parquet files, else images (see `sources/kinds/`). Hidden files are left out, and images that a link takes out
    of the folder. Nothing but names and sizes is read, and what the kind checks of the first shard. Raises PlanError
    for a path or pattern that leads nowhere or to something else.
    """
    shards: dict[tuple[str, tuple[str, ...]], _Unnamed] = {}
    for text in inputs:
        with translate_errors(text, PlanError):
            here = _resolve(text)
            for name, kind in source_kinds().items():
                first = next((one.shard for one in here if one.shard.kind == name), None)
                if first and kind.check:
                    kind.check(first)
        for one in here:
            shards.setdefault((one.shard.url, one.shard.files), one)
    return _named(list(shards.values()))


def _resolve(text: str) -> list[_Unnamed]:
    """Return what one input stands for."""
    patterns = [str(Path(p).expanduser()) if is_local(p) else p for p in expand_braces(text)]
    system, _ = filesystem(patterns[0])
    paths = [filesystem(pattern)[1] for pattern in patterns] if len(patterns) < MANY else _strip(system, patterns)
    plain = [path for path in paths if not _is_glob(path)]
    infos = _infos(system, plain)
    shards: list[_Unnamed] = []
    for path in paths:
        if _is_glob(path):
            with fsspec_errors():
                matches = system.glob(path, detail=True)
            if not matches:
                raise PlanError(f"no file matches {display_url(_url(system, path))}; check the pattern")
            root = re.split(r"[*?\[]", path)[0].rpartition("/")[0]
            shards += _gather(system, root, matches.values(), text)
        elif (info := infos.get(path)) is None:
            raise PlanError(f"{display_url(_url(system, path))} does not exist; check the path")
        else:
            folder = info["type"] == "directory"
            shards += _gather(system, path if folder else path.rpartition("/")[0], [info], text)
    return shards


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
            with fsspec_errors():
                infos = system.ls(parent, detail=True) if system.isdir(parent) else []
            listed.update({info["name"]: info for info in infos})
        return listed

    def ask(path: str) -> dict[str, Any] | None:
        try:
            with fsspec_errors():
                return dict(system.info(path))
        except FileNotFoundError as error:
            if not is_missing(error):
                raise
            return None

    with ThreadPoolExecutor(MANY) as pool:
        return {path: info for path, info in zip(paths, pool.map(ask, paths), strict=True) if info}


def _gather(system: Any, root: str, infos: Iterable[dict[str, Any]], text: str) -> list[_Unnamed]:
    """Return the shards among files and folders: all of the first kind that is there, sorted."""
    files: dict[str, dict[str, Any]] = {}
    for info in infos:
        if info["type"] == "directory":
            with fsspec_errors():
                below = system.find(info["name"], detail=True)
            files.update({name: part for name, part in below.items() if "/." not in name[len(root) :]})
        else:
            files[info["name"]] = info
    for kind, source in source_kinds().items():
        names = sorted(name for name in files if display_url(_url(system, name)).lower().endswith(source.endings))
        sizes = {name: _size(system, files[name]) for name in names}
        if names and source.group:
            return _grouped(system, root, {n: s for n, s in sizes.items() if _stays(system, root, n)}, kind, text)
        if names:
            return [_Unnamed(Shard("", kind, _url(system, name), size), 2) for name, size in sizes.items()]
    readable = "; ".join(f"{kind.label}: {', '.join(kind.endings)}" for kind in source_kinds().values())
    raise PlanError(f"{display_url(text)} holds nothing to read; what is read ends in one of: {readable}")


def _without_ending(name: str, endings: tuple[str, ...]) -> str:
    ending = max((e for e in endings if name.lower().endswith(e)), key=len, default="")
    return name[: len(name) - len(ending)]


def _url(system: Any, name: str) -> str:
    return name if isinstance(system, LocalFileSystem) else str(system.unstrip_protocol(name))


def _size(system: Any, info: dict[str, Any]) -> int:
    """Return the size in bytes, 0 where a server does not tell; links count as what they point to."""
    if info.get("islink"):
        return Path(info["name"]).stat().st_size
    if (size := info.get("size")) is None:
        with fsspec_errors():
            size = system.info(info["name"]).get("size")
    return int(size or 0)


def _stays(system: Any, root: str, name: str) -> bool:
    return not isinstance(system, LocalFileSystem) or Path(name).resolve().is_relative_to(Path(root).resolve())


def _grouped(system: Any, root: str, sizes: dict[str, int], kind: str, text: str) -> list[_Unnamed]:
    """Return the shards of a folder whose files the kind groups; `sizes` are those of its files."""
    source = kind_named(kind)
    if not sizes or source.group is None:
        raise PlanError(f"{display_url(text)} holds only links that leave the folder; copy the {source.label} into it")
    url = _url(system, root)
    by_file = {name[len(root) :].lstrip("/"): size for name, size in sizes.items()}
    shards = []
    for index, files in enumerate(source.group(list(by_file))):
        listing = hashlib.blake2b(repr([(file, by_file[file]) for file in files]).encode("utf-8", "replace"))
        shard = Shard("", kind, url, sum(by_file[file] for file in files), files)
        shards.append(_Unnamed(shard, 1, index, listing.hexdigest()))
    return shards


def _named(shards: list[_Unnamed]) -> list[Shard]:
    """Give each shard its name; where two would be equal, both hash one more parent folder until they differ."""
    while True:
        names = [_name(one) for one in shards]
        if len(set(names)) == len(names):
            return [replace(one.shard, name=name) for one, name in zip(shards, names, strict=True)]
        equal = {name for name, times in Counter(names).items() if times > 1}
        shards = [
            replace(one, depth=one.depth + 1) if name in equal else one for one, name in zip(shards, names, strict=True)
        ]


def _name(one: _Unnamed) -> str:
    parts = one.parts
    path = "/".join(parts[-one.depth :]) if one.depth <= len(parts) else one.shard.url
    digest = hashlib.blake2b(f"{path}\0{one.content}".encode("utf-8", "replace"), digest_size=4).hexdigest()
    return f"{re.sub(r'[^A-Za-z0-9._-]+', '_', one.label)[-100:].lstrip('.')}-{digest}"
