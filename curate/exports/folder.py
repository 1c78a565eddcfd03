"""Commit an export: its folder appears whole or not at all."""

import contextlib
import json
import shutil
from collections.abc import Iterator
from pathlib import Path

from curate.errors import PlanError, StoreError
from curate.storage.store import Store

__all__ = ["MANIFEST", "committed"]

MANIFEST = "export.json"  # written last: a folder with it is complete; `files` names everything in it
STARTED = "export.unfinished"  # on object stores: everything beside it was written by an export that may have died


@contextlib.contextmanager
def committed(out: str) -> Iterator[Store]:
    """Give a folder to write an export and its MANIFEST into; it stands at `out` when the block ends without an error.

    Locally a hidden folder beside `out` is renamed; on an object store the old MANIFEST goes first and the new one
    comes last. Replaces an earlier export; raises PlanError if anything else lies at `out`.
    """
    target = Store(out)
    earlier = _earlier_files(target)
    if not target.is_local():
        target.write_bytes(STARTED, b"")
        target.remove(MANIFEST)
        yield target
        for name in sorted({*earlier, STARTED} - set(_files(target))):
            target.remove(name)
        return
    final = target.local_path().absolute()
    part = final.with_name(f".{final.name}.part")
    try:
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir(parents=True)
        yield Store(str(part))
        _swap(part, final)
    except OSError as error:
        raise StoreError(f"cannot write {out}: {error.strerror or error}") from error
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _swap(part: Path, final: Path) -> None:
    """Rename `part` to `final`; an earlier export steps aside for the moment between two renames."""
    old = final.with_name(f".{final.name}.old")
    shutil.rmtree(old, ignore_errors=True)
    if final.exists():
        final.replace(old)
    part.replace(final)
    shutil.rmtree(old, ignore_errors=True)


def _earlier_files(target: Store) -> list[str]:
    """Return the files of the export that `target` holds; raises PlanError if it holds anything else."""
    if target.is_local() and target.local_path().is_file():
        raise PlanError(f"{target.root} is a file; choose a folder for the export")
    names = target.list("")
    exported = names if STARTED in names else _files(target) if MANIFEST in names else []
    if foreign := sorted(set(names) - set(exported)):
        raise PlanError(
            f"{target.root} holds files that no export wrote ({', '.join(foreign[:3])}"
            f"{', ...' if len(foreign) > 3 else ''}); choose another folder or empty it"
        )
    return names


def _files(store: Store) -> list[str]:
    try:
        return [MANIFEST, *json.loads(store.read_bytes(MANIFEST))["files"]]
    except (ValueError, KeyError, TypeError) as error:
        raise PlanError(f"{store.url(MANIFEST)} is not the manifest of an export; choose another folder") from error
