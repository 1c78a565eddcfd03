"""List what can be set in a recipe: each path with its type and default, as text for people and pipes."""

import inspect
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass, is_dataclass
from typing import Any, Final

from curate.recipe.call import call_recipe, named_stages, parameter_hints
from curate.recipe.find import Recipe, find_recipe, known_recipes
from curate.recipe.paths import first_line
from curate.recipe.values import field_hints, is_whole, nested_kind, type_name, value_text

__all__ = ["Setting", "recipe_list", "recipe_page", "settings"]

REQUIRED: Final = "(must be given)"
TYPE_WIDTH: Final = 26


@dataclass(frozen=True, slots=True)
class Setting:
    """A path that `-p` takes, the type of its value, and the text of its default; null: it must be given."""

    path: str
    type: str
    default: str | None


def settings(recipe: Recipe) -> list[Setting]:
    """Return every parameter of a recipe with the fields below it, then every field of its stages.

    The stages are those of the recipe with its defaults; none where a parameter must be given.
    """
    return [setting for _, group in _groups(recipe) for setting in group]


def recipe_list(width: int | None = 100) -> str:
    """Return the recipes that come with Curate, each with the first line of its docstring, cut at `width`."""
    names = known_recipes()
    longest = max(map(len, names))
    first_lines = [(inspect.getdoc(find_recipe(name)) or "").partition("\n")[0] for name in names]
    return _cut([f"{name:{longest}}  {line}" for name, line in zip(names, first_lines, strict=True)], width)


def recipe_page(recipe: Recipe, width: int | None = 100) -> str:
    """Return the docstring of a recipe and all its settings, one a line; lines with `#` are headings.

    Lines are cut at `width` characters; null: never, for pipes.
    """
    doc = "\n\n".join(textwrap.fill(part, 97) for part in (inspect.getdoc(recipe) or "").split("\n\n"))
    groups = list(_groups(recipe))
    longest = max((len(setting.path) for _, group in groups for setting in group), default=0)
    lines = [f"# {line}".rstrip() for line in doc.splitlines()]
    for title, group in groups:
        lines += ["", f"# {title}"]
        lines += [_line(setting, longest) for setting in group]
    return _cut(lines, width)


def _groups(recipe: Recipe) -> Iterator[tuple[str, list[Setting]]]:
    from curate.stages import Gate

    parameters = inspect.signature(recipe).parameters
    hints = parameter_hints(recipe)
    for name, hint in hints.items():
        default = parameters[name].default
        if default is inspect.Parameter.empty:
            yield f"parameter {name}", [Setting(name, type_name(hint), None)]
        else:
            kind = nested_kind(hint)
            yield f"parameter {name}{f', {first_line(kind)}' if kind else ''}", list(_fields(name, hint, default))
    if any(parameters[name].default is inspect.Parameter.empty for name in hints):
        return
    stages = call_recipe(recipe, {}).stages
    for name, i in named_stages(stages).items():
        stage: Any = stages[i]
        artefact = f", a gate of {stage.artefact}" if isinstance(stage, Gate) else ""
        stage = stage.filter if isinstance(stage, Gate) else stage
        own = [
            setting
            for field, hint in field_hints(type(stage)).items()
            for setting in _fields(f"{name}.{field}", hint, getattr(stage, field))
        ]
        yield f"stage {name}{artefact}, {first_line(type(stage))}", own


def _fields(path: str, hint: Any, value: Any) -> Iterator[Setting]:
    """Yield the settings at and below a path; an engine is described by a parameter and has none."""
    from curate.engines.engine import Engine

    if isinstance(value, Engine):
        return
    if not _has_fields(value):
        yield Setting(path, type_name(hint), value_text(value))
        return
    for name, inner in field_hints(type(value)).items():
        yield from _fields(f"{path}.{name}", inner, getattr(value, name))


def _has_fields(value: Any) -> bool:
    return is_dataclass(value) and not isinstance(value, type) and not is_whole(type(value))


def _line(setting: Setting, longest: int) -> str:
    kind = setting.type if len(setting.type) <= TYPE_WIDTH else f"{setting.type[: TYPE_WIDTH - 1]}…"
    default = REQUIRED if setting.default is None else setting.default.replace("\\", "\\\\").replace("\n", "\\n")
    return f"{setting.path:{longest}}  {kind:{TYPE_WIDTH}}  {default}".rstrip()


def _cut(lines: list[str], width: int | None) -> str:
    return "\n".join(line if width is None or len(line) <= width else f"{line[: width - 1]}…" for line in lines)
