"""What we know of the models that recipes name by default: revision, size, licence. The facts are in known.toml."""

import functools
import tomllib
from dataclasses import dataclass, field
from importlib.resources import files
from typing import Final

from curate.models.names import hub_of

__all__ = ["PERMISSIVE", "Known", "clip_revision", "find_clip", "find_known", "known_names", "pinned_revision"]

PERMISSIVE: Final = frozenset(
    {"Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "CC-BY-4.0", "CC0-1.0", "CC-BY-SA-3.0", "ISC", "MIT"}
)
"""Licences (SPDX) that leave what a model says free. CC-BY-SA binds who hands on changed weights."""


@dataclass(frozen=True, slots=True)
class Known:
    """A model that we know: the hub's name, the pinned revision, and facts about it with where they were read.

    `bytes` is the size of the files that we use; null where it was not read anywhere. `sha256` by file. `clip` are the
    (model, tag) pairs by which open_clip knows it. `instead` names a model or stage for those who cannot take the
    licence.
    """

    name: str
    revision: str
    licence: str
    source: str
    bytes: int | None = None
    sha256: dict[str, str] = field(default_factory=dict)
    clip: tuple[tuple[str, str], ...] = ()
    instead: str = ""


def find_known(name: str) -> Known | None:
    """Return what is known of a hub's name."""
    return _table().get(name)


def known_names() -> list[str]:
    """Return the names of all models that we know."""
    return list(_table())


def pinned_revision(name: str) -> str:
    """Return the revision that a name without one means, "" if none is pinned.

    Files of ultralytics come with a release; all that are not listed come from one.
    """
    known = find_known(name)
    if known is not None:
        return known.revision
    return _file()["ultralytics"]["release"] if hub_of(name) == "ultralytics" else ""


def find_clip(model: str, tag: str) -> Known | None:
    """Return the repository in which open_clip finds a model's tag, if we know it."""
    return next((known for known in _table().values() if (model, tag) in known.clip), None)


def clip_revision(model: str, tag: str) -> str:
    """Return the pinned revision of the repository in which open_clip finds a model's tag, "" if none is pinned."""
    known = find_clip(model, tag)
    return known.revision if known else ""


@functools.cache
def _file() -> dict[str, dict[str, str]]:
    return tomllib.loads(files("curate.models").joinpath("known.toml").read_text(encoding="utf-8"))


@functools.cache
def _table() -> dict[str, Known]:
    entries: dict[str, dict[str, object]] = _file()["model"]  # type: ignore[assignment]
    table = {}
    for name, entry in entries.items():
        pairs = entry.pop("clip", [])
        assert isinstance(pairs, list)
        table[name] = Known(name, clip=tuple((model, tag) for model, tag in pairs), **entry)  # type: ignore[arg-type]
    return table
