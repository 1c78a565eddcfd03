"""Find a recipe: a module of `pipelines/`, or a function in a file."""

import difflib
import importlib
import importlib.util
import inspect
import pkgutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from curate.errors import CurateError, PlanError

if TYPE_CHECKING:
    from curate.pipeline import Pipeline

__all__ = ["FILE_MODULE", "Recipe", "find_recipe", "known_recipes"]

FILE_MODULE = "curate_recipe_file_"  # such modules are on no path: what they define travels to workers by value
Recipe: TypeAlias = "Callable[..., Pipeline]"
"""A function with typed keyword parameters that returns a Pipeline."""


def known_recipes() -> list[str]:
    """Return the names of the recipes that come with Curate."""
    folder = importlib.util.find_spec("pipelines")
    paths = list(folder.submodule_search_locations or []) if folder else []
    return sorted(module.name for module in pkgutil.iter_modules(paths))


def find_recipe(name: str) -> Recipe:
    """Return the recipe `name`: a module of `pipelines/` or `path/to/file.py:function`.

    Raises PlanError that lists what there is.
    """
    if ".py" in name:
        return _from_file(name)
    if name not in known_recipes():
        near = difflib.get_close_matches(name, known_recipes(), 1)
        hint = (
            f"did you mean {near[0]}?"
            if near
            else f"there are {', '.join(known_recipes())}, or give path/to/file.py:function"
        )
        raise PlanError(f"no recipe {name!r}; {hint}")
    recipe: Recipe = getattr(importlib.import_module(f"pipelines.{name}"), name)
    return recipe


def _from_file(name: str) -> Recipe:
    path, _, function = (name, "", "") if name.endswith(".py") else name.rpartition(":")
    if not path.endswith(".py"):
        raise PlanError(f"{name!r} is not path/to/file.py:function")
    file = Path(path)
    if not file.is_file():
        raise PlanError(f"no recipe file {path}")
    name = FILE_MODULE + file.stem
    spec = importlib.util.spec_from_file_location(name, file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except CurateError:
        raise
    except Exception as error:
        raise PlanError(f"{path} cannot be imported: {type(error).__name__}: {error}") from error
    recipe = getattr(module, function, None) if function else None
    if not callable(recipe):
        there = [key for key, value in vars(module).items() if getattr(value, "__module__", "") == name]
        named = ", ".join(f"{path}:{key}" for key in there if inspect.isfunction(getattr(module, key)))
        raise PlanError(
            (f"{path} has no function {function!r}" if function else f"{path}: name the function that is the recipe")
            + (f"; it has {named}" if named else "; it has none")
        )
    return recipe  # type: ignore[no-any-return]
