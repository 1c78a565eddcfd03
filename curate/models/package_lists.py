"""Which model names the installed packages know, read from their source without importing them.

Importing open_clip or ultralytics imports torch, which takes seconds; a check before a run shall not. If a package is
laid out in another way than we know, it is imported after all.
"""

import ast
import copy
import functools
import importlib
import importlib.util
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

__all__ = ["clip_models", "clip_tags", "ultralytics_files"]

CONSTANTS: Final = (
    "OPENAI_DATASET_MEAN",
    "OPENAI_DATASET_STD",
    "IMAGENET_MEAN",
    "IMAGENET_STD",
    "INCEPTION_MEAN",
    "INCEPTION_STD",
)


@functools.cache
def ultralytics_files() -> frozenset[str]:
    """Return the names of the files that ultralytics publishes, as the installed package lists them; {} without it."""
    source = _source("ultralytics", "utils/downloads.py")
    if source is None:
        return frozenset()
    try:
        names = _run(source, lambda node: _assigns(node, "GITHUB_ASSETS_NAMES"), {"frozenset": frozenset})
        return frozenset(names["GITHUB_ASSETS_NAMES"])
    except (SyntaxError, NameError, KeyError, TypeError):
        return frozenset(importlib.import_module("ultralytics.utils.downloads").GITHUB_ASSETS_NAMES)


@functools.cache
def clip_tags() -> Mapping[str, Mapping[str, Mapping[str, Any]]]:
    """Return open_clip's pretrained tags by model, each with what it says of the weights; {} without the package."""
    source = _source("open_clip", "pretrained.py")
    if source is None:
        return {}
    try:
        table: Mapping[str, Any] = _run(source, _is_table, {"copy": copy, "dict": dict, **_clip_constants()})[
            "_PRETRAINED"
        ]
    except (SyntaxError, NameError, KeyError, TypeError):
        table = importlib.import_module("open_clip.pretrained")._PRETRAINED
    return table


@functools.cache
def clip_models() -> frozenset[str]:
    """Return the names of the models whose configs the open_clip package has."""
    spec = importlib.util.find_spec("open_clip")
    if spec is None or spec.origin is None:
        return frozenset()
    return frozenset(path.stem for path in (Path(spec.origin).parent / "model_configs").glob("*.json"))


def _source(package: str, file: str) -> ast.Module | None:
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        return None
    return ast.parse((Path(spec.origin).parent / file).read_text(encoding="utf-8"))


def _run(source: ast.Module, wanted: Any, names: dict[str, Any]) -> dict[str, Any]:
    """Run the wanted statements of a module of an installed package, and no others, and return what they define."""
    body = [node for node in source.body if wanted(node)]
    namespace = {"__builtins__": {}, **names}
    exec(compile(ast.Module(body, []), "<model list>", "exec"), namespace)  # code that an import would run
    return namespace


def _assigns(node: ast.stmt, name: str) -> bool:
    return isinstance(node, ast.Assign) and any(isinstance(one, ast.Name) and one.id == name for one in node.targets)


def _is_table(node: ast.stmt) -> bool:
    """Tell whether a statement of open_clip/pretrained.py builds its table."""
    if isinstance(node, ast.FunctionDef):
        return node.name.startswith("_") and node.name.endswith("cfg")
    if isinstance(node, ast.Assign):
        return all(isinstance(one, ast.Name) and one.id[0] == "_" for one in node.targets)
    calls = isinstance(node, ast.Expr) and isinstance(node.value, ast.Call)
    return isinstance(node, ast.For) or calls


def _clip_constants() -> dict[str, Any]:
    source = _source("open_clip", "constants.py")
    assert source is not None
    defined = _run(source, lambda node: isinstance(node, ast.Assign), {})
    return {name: value for name, value in defined.items() if name in CONSTANTS}
