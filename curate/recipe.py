"""Find a recipe, read its parameters from the command line, build its pipeline."""

import difflib
import importlib
import importlib.util
import inspect
import pkgutil
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias, get_type_hints

from pydantic import TypeAdapter, ValidationError

from curate.errors import CurateError, PlanError
from curate.pipeline import Pipeline

__all__ = ["FILE_MODULE", "Recipe", "build", "find_recipe", "known_recipes", "read_assignments"]

FILE_MODULE = "curate_recipe_file_"  # such modules are on no path: what they define travels to workers by value
Recipe: TypeAlias = Callable[..., Pipeline]
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


def build(recipe: Recipe, assignments: Sequence[str]) -> tuple[Pipeline, dict[str, Any]]:
    """Call the recipe with `name=value` texts parsed by its type hints; return the pipeline and all parameters."""
    given = read_assignments(recipe, assignments)
    parameters = inspect.signature(recipe).parameters
    defaults = {name: p.default for name, p in parameters.items() if p.default is not inspect.Parameter.empty}
    return _call(recipe, given), {**defaults, **given}


def read_assignments(function: Callable[..., Any], assignments: Sequence[str]) -> dict[str, Any]:
    """Return `name=value` texts as keyword arguments of a function or dataclass, parsed by its type hints.

    Raises PlanError naming the parameter, what was given and what is allowed.
    """
    parameters = inspect.signature(function).parameters
    hints = get_type_hints(function)
    given: dict[str, Any] = {}
    for assignment in assignments:
        name, equals, text = assignment.partition("=")
        if not equals:
            raise PlanError(f"-p {assignment!r} is not name=value")
        if name not in parameters:
            near = difflib.get_close_matches(name, parameters, 1)
            hint = f"did you mean {near[0]}?" if near else f"it takes {', '.join(parameters) or 'none'}"
            raise PlanError(f"{_name(function)} has no parameter {name!r}; {hint}")
        given[name] = _parse(name, text, hints.get(name, str))
    if missing := [n for n, p in parameters.items() if p.default is inspect.Parameter.empty and n not in given]:
        raise PlanError(f"{_name(function)} needs -p {missing[0]}=…")
    return given


def _call(recipe: Recipe, given: Mapping[str, Any]) -> Pipeline:
    try:
        pipeline = recipe(**given)
    except CurateError:
        raise
    except (ValueError, TypeError) as error:
        raise PlanError(f"{_name(recipe)}: {error}") from error
    if not isinstance(pipeline, Pipeline):
        raise PlanError(f"{_name(recipe)} returned {type(pipeline).__name__}, not a curate.pipeline.Pipeline")
    return pipeline


def _parse(name: str, text: str, hint: Any) -> Any:
    adapter = TypeAdapter(hint)
    try:
        return adapter.validate_python(text)
    except ValidationError:
        pass
    try:
        return adapter.validate_json(text)
    except ValidationError as error:
        what = error.errors()[0]["msg"]
        raise PlanError(f"-p {name}={text}: {what}; expected {getattr(hint, '__name__', hint)}") from error


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


def _name(function: Callable[..., Any]) -> str:
    return str(getattr(function, "__name__", function))
