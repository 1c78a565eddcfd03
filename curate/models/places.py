"""Where models lie on this machine: folders that `curate models --fetch` fills, then the hub's own cache."""

import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from curate.errors import PlanError
from curate.models.cache import cache_folder
from curate.models.names import hub_of

__all__ = [
    "INDEX",
    "FetchedFile",
    "FetchedModel",
    "environment",
    "find_model",
    "folder_of",
    "is_offline",
    "main_here",
    "models_folder",
    "own_folder",
    "read_index",
    "use_models_folder",
    "write_index",
]

INDEX: Final = "curate-model.json"
"""Written last into a model's folder: without it the model counts as not there."""

OFFLINE: Final = {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1", "YOLO_OFFLINE": "true"}


@dataclass(frozen=True, slots=True)
class FetchedFile:
    """A file of a model: its path in the model's folder, its size and its digest."""

    path: str
    bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class FetchedModel:
    """What the index of a model's folder says; `asked` is the revision by which it was asked for, "main" if by none."""

    name: str
    revision: str
    licence: str
    asked: str
    files: tuple[FetchedFile, ...]


def models_folder() -> Path | None:
    """Return the folder of models that a run was given by `--models` or `$CURATE_MODELS`, null without one."""
    chosen = os.environ.get("CURATE_MODELS")
    return Path(chosen).expanduser().absolute() if chosen else None


def use_models_folder(folder: str) -> None:
    """Make this process and those that it starts take models from a folder only; "" leaves everything as it is.

    Loaders of other projects are told to stay off the network, so call it before one is imported. Raises PlanError if
    there is no such folder.
    """
    if not folder:
        return
    path = Path(folder).expanduser().absolute()
    if not path.is_dir():
        raise PlanError(f"models folder not found: {path}; fill one with: curate models RECIPE --fetch {path}")
    os.environ.update(environment(str(path)))


def environment(folder: str) -> dict[str, str]:
    """Return the environment of a process that takes its models from a folder only; {} for ""."""
    return {"CURATE_MODELS": folder, **OFFLINE} if folder else {}


def is_offline() -> bool:
    """Tell whether hubs are not to be asked: a models folder is given, or `$HF_HUB_OFFLINE` is set."""
    return models_folder() is not None or os.environ.get("HF_HUB_OFFLINE", "").upper() in ("1", "ON", "TRUE", "YES")


def own_folder() -> Path:
    """Return the folder of this machine into which a run fetches what is missing: `models` in the cache."""
    return cache_folder() / "models"


def folder_of(root: Path, name: str, revision: str) -> Path:
    """Return the folder of a model's revision below a models folder."""
    return root / (hub_of(name) or "other") / name.replace("://", "/") / (revision or "main")


def find_model(name: str, revision: str, files: Sequence[str] = ()) -> Path | None:
    """Return the folder that holds a model, with one of `files` if some are named; null if none does.

    The folder of `--models` comes first, then the cache of this machine, then Hugging Face's cache. Without a revision
    it is the one that was fetched as the hub's main, else any.
    """
    for index, folder in _fetched(name):
        right = revision in (index.revision, "") and _same_sizes(folder, index)
        if right and (not files or {file.path for file in index.files} & set(files)):
            return folder
    commit = revision or cached_main(name)
    snapshot = _hub_cache(name) / "snapshots" / (commit or "-")
    return snapshot if hub_of(name) == "huggingface" and _is_whole(snapshot, files) else None


def main_here(name: str) -> str:
    """Return the revision of a hub's model that stands for main on this machine, "" if there is none."""
    found = _fetched(name)
    return found[0][0].revision if found else cached_main(name)


def cached_main(name: str) -> str:
    """Return the commit that Hugging Face's cache has for a model's main, "" if none."""
    try:
        return (_hub_cache(name) / "refs" / "main").read_text(encoding="utf-8").strip()
    except OSError:
        return ""


def _fetched(name: str) -> list[tuple[FetchedModel, Path]]:
    """Return the fetched revisions of a model with their folders: of `--models` first, there main first."""
    found: list[tuple[FetchedModel, Path]] = []
    for root in (models_folder(), own_folder()):
        places = sorted(folder_of(root, name, "-").parent.glob("*")) if root else []
        here = [(index, place) for place in places if (index := read_index(place)) is not None]
        found += sorted(here, key=lambda each: each[0].asked != "main")
    return found


def read_index(folder: Path) -> FetchedModel | None:
    """Return what a model's folder says that it holds; null if it is not there, unfinished, or unreadable."""
    try:
        data = json.loads((folder / INDEX).read_text(encoding="utf-8"))
        return FetchedModel(**{**data, "files": tuple(FetchedFile(**file) for file in data["files"])})
    except (OSError, ValueError, TypeError, KeyError):
        return None


def write_index(folder: Path, index: FetchedModel) -> None:
    """Write a model's index in one step, which makes the model count as there."""
    part = folder / f"{INDEX}.{os.getpid()}.part"
    part.write_text(json.dumps(asdict(index), indent=1) + "\n", encoding="utf-8")
    part.replace(folder / INDEX)


def _same_sizes(folder: Path, index: FetchedModel) -> bool:
    try:
        return all((folder / file.path).stat().st_size == file.bytes for file in index.files)
    except OSError:
        return False


def _hub_cache(name: str) -> Path:
    """Return the folder of a model in the cache of huggingface_hub, found as it finds it."""
    home = os.environ.get("HF_HOME") or f"{os.environ.get('XDG_CACHE_HOME') or '~/.cache'}/huggingface"
    cache = Path(os.environ.get("HF_HUB_CACHE") or f"{home}/hub").expanduser()
    return cache / f"models--{name.replace('/', '--')}"


def _is_whole(snapshot: Path, files: Sequence[str]) -> bool:
    """Tell whether a snapshot of the hub's cache has one of `files`, or without them a config and all its weights."""
    if files:
        return any((snapshot / file).is_file() for file in files)
    if not (snapshot / "config.json").is_file():
        return False
    for index in snapshot.glob("*.index.json"):
        try:
            shards = set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values())
        except (OSError, ValueError, LookupError):
            return False
        return all((snapshot / shard).is_file() for shard in shards)
    return any(snapshot.glob("*.safetensors")) or any(snapshot.glob("*.bin"))
