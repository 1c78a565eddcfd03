"""Commit an export: its folder appears whole or not at all, and one that was interrupted goes on where it was."""

import contextlib
import json
import shutil
from collections.abc import Iterator
from pathlib import Path

from curate.errors import CurateError, PlanError, StoreError
from curate.exports.layout import OWN
from curate.exports.writing import PARTS, written_parts
from curate.storage.store import PART, Store

__all__ = ["MANIFEST", "committed"]

MANIFEST = f"{OWN}/export.json"  # written last: a folder with it is complete; `files` names everything in it
STARTED = f"{OWN}/unfinished"  # holds the identity of the export that is being written here
OLD_MANIFEST = "export.json"  # where exports had it until they had a folder of Curate's own files


@contextlib.contextmanager
def committed(out: str, identity: str) -> Iterator[Store]:
    """Give a folder to write an export and its MANIFEST into; it stands at `out` when the block ends without an error.

    What an interrupted export of the same identity has completed is in the folder; all else is gone. Locally a hidden
    folder beside `out` is renamed; on an object store the old MANIFEST goes first and the new one comes last. Replaces
    an earlier export; raises PlanError if anything else lies at `out`.
    """
    target = Store(out)
    _check_target(target)
    if not target.is_local():
        _begin(target, identity)
        with _resumable(target, identity):
            yield target
        _sweep(target)
        return
    final = target.local_path().absolute()
    part = final.with_name(f".{final.name}{PART}")
    folder = Store(str(part))
    try:
        _begin(folder, identity)
        with _resumable(folder, identity):
            yield folder
        _sweep(folder)
        _swap(part, final)
    except OSError as error:
        raise StoreError(f"cannot write {out}: {error.strerror or error}") from error
    finally:
        if part.exists() and not written_parts(folder, identity):
            shutil.rmtree(part, ignore_errors=True)


def _begin(folder: Store, identity: str) -> None:
    """Make a folder ready: what another export left there unfinished goes. It is no complete export from now on.

    With the MANIFEST after this, all is written and only the rest is to be swept.
    """
    if folder.exists(STARTED) and folder.read_bytes(STARTED).decode() == identity:
        return
    if folder.is_local():
        shutil.rmtree(folder.local_path(), ignore_errors=True)
    folder.write_bytes(STARTED, b"")
    for name in (MANIFEST, OLD_MANIFEST, *(f"{PARTS}/{each}" for each in folder.list(PARTS))):
        folder.remove(name)
    folder.write_bytes(STARTED, identity.encode())


@contextlib.contextmanager
def _resumable(folder: Store, identity: str) -> Iterator[None]:
    """Say of an error how much of the export is done."""
    try:
        yield
    except CurateError as error:
        done = len(written_parts(folder, identity))
        if not done:
            raise
        raise type(error)(
            f"{error}; {done:,} parts are complete and kept in {folder.root}: the same command goes on with the others"
        ) from error


def _sweep(folder: Store) -> None:
    """Remove all that the manifest does not name; STARTED last, so that a kill in between is no harm."""
    for name in sorted(set(folder.find()) - set(_files(folder)) - {STARTED}):
        folder.remove(name)
    folder.remove(STARTED)
    if folder.is_local():
        for path in sorted(folder.local_path().rglob("*"), reverse=True):
            if path.name.endswith(PART) and path.is_file():
                path.unlink()
            elif path.is_dir() and not any(path.iterdir()):
                path.rmdir()


def _swap(part: Path, final: Path) -> None:
    """Rename `part` to `final`; an earlier export steps aside for the moment between two renames."""
    old = final.with_name(f".{final.name}.old")
    shutil.rmtree(old, ignore_errors=True)
    if final.exists():
        final.replace(old)
    part.replace(final)
    shutil.rmtree(old, ignore_errors=True)


def _check_target(target: Store) -> None:
    """Raise PlanError if `target` holds anything but an export."""
    if target.is_local() and target.local_path().is_file():
        raise PlanError(f"{target.root} is a file; choose a folder for the export")
    names = target.find()
    if STARTED in names:
        return
    exported = _files(target) if {MANIFEST, OLD_MANIFEST} & set(names) else []
    if foreign := sorted(set(names) - set(exported)):
        raise PlanError(
            f"{target.root} holds files that no export wrote ({', '.join(foreign[:3])}"
            f"{', ...' if len(foreign) > 3 else ''}); choose another folder or empty it"
        )


def _files(store: Store) -> list[str]:
    manifest = MANIFEST if store.exists(MANIFEST) else OLD_MANIFEST
    try:
        return [manifest, *json.loads(store.read_bytes(manifest))["files"]]
    except (ValueError, KeyError, TypeError) as error:
        raise PlanError(f"{store.url(manifest)} is not the manifest of an export; choose another folder") from error
