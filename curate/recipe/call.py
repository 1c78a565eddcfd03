"""Call a recipe with arguments read from texts; name its parameters and stages as paths do."""

import inspect
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, get_type_hints

from curate.errors import CurateError, PlanError
from curate.recipe.find import Recipe
from curate.recipe.paths import Path, near, set_values, split_path

if TYPE_CHECKING:
    from curate.pipeline import Pipeline
    from curate.stages import Stage

__all__ = ["by_head", "call_recipe", "named_stages", "parameter_defaults", "parameter_hints", "read_arguments"]


def parameter_hints(function: Callable[..., Any]) -> dict[str, Any]:
    """Return the type of each parameter; text where it has none."""
    hints = get_type_hints(function)
    return {name: hints.get(name, str) for name in inspect.signature(function).parameters}


def named_stages(stages: Iterable["Stage"]) -> dict[str, int]:
    """Return the index of each stage by its name in paths: `ocr`, or `clip[0]` and `clip[1]` where there are several.

    The first of several is not called `clip` alone, which would hide that there is another.
    """
    from curate.stages import stage_name

    names = [stage_name(stage) for stage in stages]
    return {name if names.count(name) == 1 else f"{name}[{names[:i].count(name)}]": i for i, name in enumerate(names)}


def read_arguments(function: Callable[..., Any], given: Mapping[str, str]) -> dict[str, Any]:
    """Return texts by path as keyword arguments of a function or dataclass; raises PlanError, one sentence."""
    hints, defaults = parameter_hints(function), parameter_defaults(function)
    arguments: dict[str, Any] = {}
    for head, below in by_head(given).items():
        name, bracket, _ = head.partition("[")
        if name not in hints:
            raise PlanError(f"{_name(function)} has no parameter {name!r}; {near(name, hints, 'it takes')}")
        if bracket:
            raise PlanError(f"-p {head}: {name} is one parameter, not several")
        arguments[name] = set_values(defaults.get(name), hints[name], below, name)
    if missing := [name for name in hints if name not in defaults and name not in arguments]:
        raise PlanError(f"{_name(function)} needs -p {missing[0]}=…")
    return arguments


def call_recipe(recipe: Recipe, arguments: Mapping[str, Any]) -> "Pipeline":
    """Return the recipe's pipeline; what it refuses is a PlanError."""
    from curate.pipeline import Pipeline

    try:
        pipeline = recipe(**arguments)
    except CurateError:
        raise
    except (ValueError, TypeError) as error:
        raise PlanError(f"{_name(recipe)}: {error}") from error
    if not isinstance(pipeline, Pipeline):
        raise PlanError(f"{_name(recipe)} returned {type(pipeline).__name__}, not a curate.pipeline.Pipeline")
    return pipeline


def by_head(given: Mapping[str, str]) -> dict[str, dict[Path, str]]:
    """Return the assignments by the first name of their paths, `clip[1]` included, and what is below it."""
    groups: dict[str, dict[Path, str]] = {}
    for path, text in given.items():
        first, *rest = split_path(path)
        head = first.name if first.number is None else f"{first.name}[{first.number}]"
        groups.setdefault(head, {})[tuple(rest)] = text
    return groups


def parameter_defaults(function: Callable[..., Any]) -> dict[str, Any]:
    """Return the default of each parameter that has one."""
    parameters = inspect.signature(function).parameters
    return {name: p.default for name, p in parameters.items() if p.default is not inspect.Parameter.empty}


def _name(function: Callable[..., Any]) -> str:
    return str(getattr(function, "__name__", function))
