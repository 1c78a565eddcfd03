"""Bring models from their hubs into a folder: whole or not at all, resumable, each file checked."""

import fcntl
import hashlib
import http.client
import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from curate.models.hub import HubError, Listing, RemoteFile, ask_hub, open_file
from curate.models.needed import Needed
from curate.models.places import FetchedFile, FetchedModel, folder_of, read_index, write_index

__all__ = ["fetch", "is_undamaged", "size_text"]

BLOCK: Final = 1 << 20
TRIES: Final = 2  # in a row without a single byte: with a silence each, less than a minute
TELL_SECONDS: Final = 10.0

Tell = Callable[[str], None]


def fetch(needed: Needed, root: Path, tell: Tell) -> FetchedModel:
    """Return the index of a model that is in the folder `root` afterwards, and tell what is done.

    What is there and undamaged stays; a damaged file is fetched again, a half file from where it stopped. A model
    counts as there only when its index is written, after all its files. Raises HubError.
    """
    weights = needed.weights
    with _alone(folder_of(root, weights.where, "-").parent):
        return _fetch(needed, root, tell)


def _fetch(needed: Needed, root: Path, tell: Tell) -> FetchedModel:
    weights = needed.weights
    folder = folder_of(root, weights.where, weights.revision)
    old = read_index(folder)
    if old is not None and needed.is_in(old) and is_undamaged(folder, old, tell):
        tell(f"{weights}: there, {size_text(sum(file.bytes for file in old.files))}")
        return old
    listing = ask_hub(weights.where, weights.revision)
    wanted = needed.choose(listing.files)
    if not wanted:
        raise HubError(f"{weights} has none of the files that {needed.part} needs")
    return _fetch_files(listing, wanted, root, weights.revision or "main", tell)


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Hold a model's folder: two runs of one machine do not write one half file."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _fetch_files(listing: Listing, wanted: Sequence[RemoteFile], root: Path, asked: str, tell: Tell) -> FetchedModel:
    folder = folder_of(root, listing.name, listing.revision)
    folder.mkdir(parents=True, exist_ok=True)
    old = read_index(folder)
    held = {file.path: file for file in old.files} if old else {}
    total = sum(file.bytes or 0 for file in wanted)
    tell(f"{listing.name}@{listing.revision}: {len(wanted)} files{f', {size_text(total)}' if total else ''}")
    for file in wanted:
        held[file.path] = _fetch_file(file, folder, tell)
    files = tuple(held[path] for path in sorted(held))
    index = FetchedModel(listing.name, listing.revision, listing.licence, asked, files)
    write_index(folder, index)
    return index


def is_undamaged(folder: Path, index: FetchedModel, tell: Tell) -> bool:
    """Tell whether every file of an index is there with its digest; reads them all."""
    for file in index.files:
        path = folder / file.path
        if not path.is_file() or path.stat().st_size != file.bytes or _digests(path)[0] != file.sha256:
            tell(f"{index.name}: {file.path} is missing or damaged")
            return False
    return True


def _fetch_file(file: RemoteFile, folder: Path, tell: Tell) -> FetchedFile:
    target, part = folder / file.path, folder / f"{file.path}.part"
    target.parent.mkdir(parents=True, exist_ok=True)
    if target.is_file() and (kept := _checked(target, file)) is not None and (file.sha256 or file.git_sha1):
        return kept
    for _ in range(2):  # a half file of something else is noticed at its end: then once more, from the start
        _download(file, part, tell)
        done = _checked(part, file)
        if done is not None:
            part.replace(target)
            return done
        part.unlink()
    raise HubError(f"{file.url} is not what its hub says: another size or digest than announced, twice")


def _download(file: RemoteFile, part: Path, tell: Tell) -> None:
    """Append to a half file until it is as long as the hub says; a broken connection goes on where it broke."""
    left = TRIES
    while left:
        start = part.stat().st_size if part.is_file() else 0
        if file.bytes is not None and start >= file.bytes:
            return
        try:
            with open_file(file, start) as response:
                _copy(response, part, append=response.status == 206, tell=tell)
                return
        except (HubError, OSError, http.client.HTTPException) as error:
            grown = part.is_file() and part.stat().st_size > start
            left = TRIES if grown else left - 1
            if not left or (isinstance(error, HubError) and not error.passes):
                raise error if isinstance(error, HubError) else HubError(f"{file.url} breaks off: {error}") from error
            time.sleep(1.0)


def _copy(response: Any, part: Path, append: bool, tell: Tell) -> None:
    size, told = int(response.headers.get("Content-Length") or 0), time.monotonic()
    done = part.stat().st_size if append else 0
    whole, first = size + done, done
    with part.open("ab" if append else "wb") as stream:
        while block := response.read(BLOCK):
            stream.write(block)
            done += len(block)
            if time.monotonic() - told >= TELL_SECONDS:
                told = time.monotonic()
                tell(f"  {part.name.removesuffix('.part')}: {size_text(done)} of {size_text(whole) if size else '?'}")
        stream.flush()
        os.fsync(stream.fileno())
    if size and done - first < size:
        raise http.client.IncompleteRead(b"", size - (done - first))


def _checked(path: Path, file: RemoteFile) -> FetchedFile | None:
    """Return what the index says of a file; null if size or digest are not the hub's."""
    size = path.stat().st_size
    sha256, git_sha1 = _digests(path)
    right = file.bytes in (None, size) and file.sha256 in (None, sha256) and file.git_sha1 in (None, git_sha1)
    return FetchedFile(file.path, size, sha256) if right else None


def _digests(path: Path) -> tuple[str, str]:
    """Return SHA-256, and the SHA-1 that git gives a blob, by which hubs name small files."""
    sha256 = hashlib.sha256()
    sha1 = hashlib.sha1(f"blob {path.stat().st_size}\0".encode(), usedforsecurity=False)
    with path.open("rb") as stream:
        while block := stream.read(BLOCK):
            sha256.update(block)
            sha1.update(block)
    return sha256.hexdigest(), sha1.hexdigest()


def size_text(size: int) -> str:
    """Return a size in bytes as people read it.

    >>> size_text(114636239), size_text(17534247392)
    ('114.6 MB', '17.53 GB')
    """
    return f"{size / 1e9:.2f} GB" if size >= 1e9 else f"{size / 1e6:.1f} MB"
