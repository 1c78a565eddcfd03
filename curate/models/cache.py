"""A cache on this machine for files that experts derive from weights."""

import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

__all__ = ["cache_folder", "cached"]


def cache_folder() -> Path:
    """Return the cache's root: `$CURATE_CACHE`, else `$XDG_CACHE_HOME/curate`, else `~/.cache/curate`."""
    chosen = os.environ.get("CURATE_CACHE")
    if chosen:
        return Path(chosen).expanduser()
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "curate"


def cached(name: str, write: Callable[[Path], None]) -> Path:
    """Return the cache's folder `name`, first filled by `write` if it is not there.

    `name` must hold a digest of all that the content depends on. The folder appears in one step, so a worker that is
    killed or that races another leaves either nothing or the whole.
    """
    place = cache_folder() / name
    if place.is_dir():
        return place
    place.parent.mkdir(parents=True, exist_ok=True)
    part = Path(tempfile.mkdtemp(prefix=f"{place.name}.", suffix=".part", dir=place.parent))
    try:
        write(part)
        part.rename(place)
    except OSError:
        if not place.is_dir():  # another worker was first
            raise
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return place
