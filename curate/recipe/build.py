"""Build a recipe's pipeline from `path=value` texts: first its parameters, then fields of its stages."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from curate.errors import PlanError
from curate.recipe.call import by_head, call_recipe, named_stages, parameter_defaults, parameter_hints, read_arguments
from curate.recipe.find import Recipe
from curate.recipe.paths import Path, first_line, set_values, split_path
from curate.recipe.unknown import unknown_name
from curate.recipe.values import NONE, field_hints, nested_kind

if TYPE_CHECKING:
    from curate.pipeline import Pipeline
    from curate.stages import Stage

__all__ = ["build", "read_assignments"]


def build(recipe: Recipe, assignments: Sequence[str]) -> tuple["Pipeline", dict[str, str]]:
    """Return the pipeline of a recipe, and the assignments as texts by path.

    A path begins with a parameter of the recipe or the name of a stage, as in `engine.model=nano/vlm`,
    `min_clip_score.minimum=0.3` or, of two stages of one class, `clip[1].weights=openai`; a parameter wins over a
    stage of the same name. `stage=none` takes a stage out. Raises PlanError, one sentence, for a path that does not
    exist, a value of another type, or a recipe that refuses a value.
    """
    given = _read(assignments)
    hints, defaults = parameter_hints(recipe), parameter_defaults(recipe)
    own = {path: text for path, text in given.items() if _is_parameter(path, hints, defaults)}
    arguments = read_arguments(recipe, own)
    pipeline = call_recipe(recipe, arguments)
    stages: list[Stage | None] = list(pipeline.stages)
    others = by_head({path: text for path, text in given.items() if path not in own})
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
    return read_arguments(function, _read(assignments))


def _read(assignments: Sequence[str]) -> dict[str, str]:
    """Return the texts by path; of one that is given twice the last counts."""
    given: dict[str, str] = {}
    for assignment in assignments:
        path, equals, text = assignment.partition("=")
        if not equals:
            raise PlanError(f"-p {assignment!r} is not name=value")
        given[path.strip()] = text
    return given


def _is_parameter(path: str, hints: Mapping[str, Any], defaults: Mapping[str, Any]) -> bool:
    """Tell whether a path is a parameter's: one that has no fields leaves `name.field` to a stage of its name."""
    steps = split_path(path)
    name = steps[0].name
    if name not in hints:
        return False
    nested = nested_kind(hints[name]) or dataclasses.is_dataclass(defaults.get(name))
    return path == name or bool(nested) or isinstance(defaults.get(name), tuple)


def _find_stage(names: Mapping[str, int], head: str, recipe: Recipe) -> int:
    """Return the index of the stage that a path begins with; the `[0]` of the only one of its class may be given."""
    only = head.removesuffix("[0]")
    if head not in names and only not in names:
        raise PlanError(unknown_name(head, list(names), recipe))
    return names.get(head, names.get(only, 0))


def _set_stage(stages: list["Stage | None"], i: int, given: Mapping[Path, str], at: str) -> list["Stage | None"]:
    """Return the stages with fields of one set (a gate has those of its filter), or without it."""
    from curate.stages import Gate

    stage = stages[i]
    old: Any = stage.filter if isinstance(stage, Gate) else stage
    text = given.get(())
    if text is None:
        new = set_values(old, type(old), given, at)
        new = dataclasses.replace(stage, filter=new) if isinstance(stage, Gate) else new
        return _followed(stages, [*stages[:i], new, *stages[i + 1 :]])
    if text.casefold() in NONE and len(given) == 1:
        return [*stages[:i], None, *stages[i + 1 :]]
    raise PlanError(
        f"-p {at}={text}: {at} is a stage; set a field of it ({', '.join(field_hints(type(old))) or 'it has none'}), "
        f"or {at}=none takes it out ({first_line(type(old))})"
    )


def _followed(old: list["Stage | None"], new: list["Stage | None"]) -> list["Stage | None"]:
    from curate.pipeline import follow_ids

    left = [i for i, stage in enumerate(new) if stage is not None]
    stages = follow_ids([old[i] for i in left], [new[i] for i in left])  # type: ignore[misc]
    for i, stage in zip(left, stages, strict=True):
        new[i] = stage
    return new
