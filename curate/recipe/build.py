"""Build a recipe's pipeline from `path=value` texts: first its parameters, then fields of its stages."""

import dataclasses
import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, get_type_hints

from curate.errors import CurateError, PlanError
from curate.recipe.find import Recipe
from curate.recipe.paths import Path, first_line, near, set_values, split_path
from curate.recipe.unknown import unknown_name
from curate.recipe.values import NONE, field_hints, nested_kind

if TYPE_CHECKING:
    from curate.pipeline import Pipeline
    from curate.stages import Stage

__all__ = ["build", "named_stages", "parameter_hints", "read_assignments"]


def build(recipe: Recipe, assignments: Sequence[str]) -> tuple["Pipeline", dict[str, str]]:
    """Return the pipeline of a recipe, and the assignments as texts by path.

    A path begins with a parameter of the recipe or the name of a stage, as in `engine.model=nano/vlm`,
    `min_clip_score.minimum=0.3` or, of two stages of one class, `clip[1].weights=openai`; a parameter wins over a
    stage of the same name. `stage=none` takes a stage out. Raises PlanError, one sentence, for a path that does not
    exist, a value of another type, or a recipe that refuses a value.
    """
    given = _read(assignments)
    hints, defaults = parameter_hints(recipe), _defaults(recipe)
    own = {path: text for path, text in given.items() if _is_parameter(path, hints, defaults)}
    arguments = _arguments(recipe, own)
    pipeline = _call(recipe, arguments)
    stages: list[Stage | None] = list(pipeline.stages)
    others = _by_head({path: text for path, text in given.items() if path not in own})
    names = named_stages(pipeline.stages)
    indices = {head: _find_stage(names, head, recipe) for head in others}
    for head, below in others.items():
        stages = _set_stage(stages, indices[head], below, head)
    if others:
        pipeline = dataclasses.replace(pipeline, stages=[stage for stage in stages if stage is not None])
    return pipeline, given


def read_assignments(function: Callable[..., Any], assignments: Sequence[str]) -> dict[str, Any]:
    """Return `name=value` texts as keyword arguments of a function or dataclass, parsed by its type hints.

    Raises PlanError naming the parameter, what was given and what is allowed.
    """
    return _arguments(function, _read(assignments))


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


def _read(assignments: Sequence[str]) -> dict[str, str]:
    """Return the texts by path; of one that is given twice the last counts."""
    given: dict[str, str] = {}
    for assignment in assignments:
        path, equals, text = assignment.partition("=")
        if not equals:
            raise PlanError(f"-p {assignment!r} is not name=value")
        given[path.strip()] = text
    return given


def _by_head(given: Mapping[str, str]) -> dict[str, dict[Path, str]]:
    """Return the assignments by the first name of their paths, `clip[1]` included, and what is below it."""
    groups: dict[str, dict[Path, str]] = {}
    for path, text in given.items():
        first, *rest = split_path(path)
        head = first.name if first.number is None else f"{first.name}[{first.number}]"
        groups.setdefault(head, {})[tuple(rest)] = text
    return groups


def _defaults(function: Callable[..., Any]) -> dict[str, Any]:
    parameters = inspect.signature(function).parameters
    return {name: p.default for name, p in parameters.items() if p.default is not inspect.Parameter.empty}


def _is_parameter(path: str, hints: Mapping[str, Any], defaults: Mapping[str, Any]) -> bool:
    """Tell whether a path is a parameter's: one that has no fields leaves `name.field` to a stage of its name."""
    steps = split_path(path)
    name = steps[0].name
    if name not in hints:
        return False
    nested = nested_kind(hints[name]) or dataclasses.is_dataclass(defaults.get(name))
    return path == name or bool(nested) or isinstance(defaults.get(name), tuple)


def _arguments(function: Callable[..., Any], given: Mapping[str, str]) -> dict[str, Any]:
    hints, defaults = parameter_hints(function), _defaults(function)
    arguments: dict[str, Any] = {}
    for head, below in _by_head(given).items():
        name, bracket, _ = head.partition("[")
        if name not in hints:
            raise PlanError(f"{_name(function)} has no parameter {name!r}; {near(name, hints, 'it takes')}")
        if bracket:
            raise PlanError(f"-p {head}: {name} is one parameter, not several")
        arguments[name] = set_values(defaults.get(name), hints[name], below, name)
    if missing := [name for name in hints if name not in defaults and name not in arguments]:
        raise PlanError(f"{_name(function)} needs -p {missing[0]}=…")
    return arguments


def _call(recipe: Recipe, arguments: Mapping[str, Any]) -> "Pipeline":
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


def _find_stage(names: Mapping[str, int], head: str, recipe: Recipe) -> int:
    """Return the index of the stage that a path begins with; the `[0]` of the only one of its class may be given."""
    only = head.removesuffix("[0]")
    if head not in names and only not in names:
        raise PlanError(unknown_name(head, list(names), recipe))
    return names.get(head, names.get(only, 0))


def _set_stage(stages: list["Stage | None"], i: int, given: Mapping[Path, str], at: str) -> list["Stage | None"]:
    """Return the stages with fields of one set, or with None where it is taken out."""
    old: Any = stages[i]
    text = given.get(())
    if text is None:
        new = set_values(old, type(old), given, at)
        return _follow([*stages[:i], new, *stages[i + 1 :]], old, new)
    if text.casefold() in NONE and len(given) == 1:
        return [*stages[:i], None, *stages[i + 1 :]]
    raise PlanError(
        f"-p {at}={text}: {at} is a stage; set a field of it ({', '.join(field_hints(type(old))) or 'it has none'}), "
        f"or {at}=none takes it out ({first_line(type(old))})"
    )


def _follow(stages: list["Stage | None"], old: "Stage", new: "Stage") -> list["Stage | None"]:
    """Return the stages in which whoever names the old stage by its id, as `CaptionGate` its judge, names the new."""
    from curate.stages import Expert, stage_id

    if not isinstance(old, Expert) or not isinstance(new, Expert):
        return stages
    before, after = stage_id(old), stage_id(new)
    followed: list[Any] = []
    for stage in stages:
        names = field_hints(type(stage)) if stage is not None else ()
        fields = {name: after for name in names if getattr(stage, name) == before}
        followed.append(dataclasses.replace(stage, **fields) if fields else stage)  # type: ignore[type-var]
    return followed


def _name(function: Callable[..., Any]) -> str:
    return str(getattr(function, "__name__", function))
