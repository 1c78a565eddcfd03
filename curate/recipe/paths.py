"""Set what a path names inside a value: fields of dataclasses, items of tuples."""

import dataclasses
import difflib
import re
from collections.abc import Iterable, Mapping
from typing import Any, Final, NamedTuple, TypeAlias, get_args, get_origin

from curate.errors import CurateError, PlanError
from curate.recipe.values import field_hints, is_whole, nested_kind, parse_value, type_name

__all__ = ["Path", "Step", "first_line", "near", "set_values", "split_path"]

STEP: Final = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)(?:\[(\d{1,6})\])?")


class Step(NamedTuple):
    """One part of a path: a name, and with `[i]` which of several."""

    name: str
    number: int | None = None


Path: TypeAlias = tuple[Step, ...]


def split_path(path: str) -> Path:
    """Return the steps of a path; raises PlanError if it is none.

    >>> split_path("clip[1].resources.cpus")
    (Step(name='clip', number=1), Step(name='resources', number=None), Step(name='cpus', number=None))
    """
    steps = []
    for part in path.split("."):
        match = STEP.fullmatch(part)
        if match is None:
            raise PlanError(f"-p {path}: {part!r} is no name; a path looks like engine.model or clip[1].weights")
        steps.append(Step(match[1], int(match[2]) if match[2] else None))
    return tuple(steps)


def set_values(value: Any, hint: Any, given: Mapping[Path, str], at: str) -> Any:
    """Return `value`, of the type `hint`, with what lies at each path below it read from a text.

    The empty path is the value itself and comes first; all other fields of one dataclass are set at once, so that
    values which are only valid together need no order. `at` is the path of `value`. Raises PlanError that says at which
    level it failed, and what there is.
    """
    text = given.get(())
    below = {path: one for path, one in given.items() if path}
    try:
        if text is not None:
            value = parse_value(text, hint, value)
        return _set_fields(value, hint, below, at) if below else value
    except CurateError as error:
        raise error if str(error).startswith("-p ") else PlanError(f"-p {at}: {error}") from error
    except (ValueError, TypeError) as error:
        raise PlanError(f"-p {at}{'' if text is None else f'={text}'}: {error}") from error


def _set_fields(value: Any, hint: Any, given: Mapping[Path, str], at: str) -> Any:
    kind = nested_kind(hint) if value is None else type(value)
    if kind is None or not dataclasses.is_dataclass(kind) or is_whole(kind):
        what, name = type_name(hint if value is None else kind), next(iter(given))[0].name
        raise PlanError(f"-p {at}.{name}: {at} is a {what}, which is set as a whole: -p {at}=…")
    parent: Any = kind() if value is None else value
    changes: dict[str, Any] = {}
    for name in dict.fromkeys(path[0].name for path in given):
        own = f"{at}.{name}"
        field = _field_hint(kind, name, at)
        new = getattr(parent, name)
        _refuse_engine(new, own)
        for number, paths in _by_number(given, name).items():
            new = set_values(new, field, paths, own) if number is None else _set_item(new, field, number, paths, own)
        changes[name] = new
    return dataclasses.replace(parent, **changes)


def _by_number(given: Mapping[Path, str], name: str) -> dict[int | None, dict[Path, str]]:
    """Return the rest of the paths that begin with a name, by the number behind it; without a number first."""
    groups: dict[int | None, dict[Path, str]] = {}
    for path, text in sorted(given.items(), key=lambda item: item[0][0].number is not None):
        if path[0].name == name:
            groups.setdefault(path[0].number, {})[path[1:]] = text
    return groups


def _set_item(items: Any, hint: Any, number: int, given: Mapping[Path, str], at: str) -> tuple[Any, ...]:
    if not isinstance(items, tuple) or number >= len(items):
        there = f"a tuple of {len(items)}" if isinstance(items, tuple) else f"a {type_name(hint)}"
        raise PlanError(f"-p {at}[{number}]: there is none; {at} is {there}")
    inner = get_args(hint) if get_origin(hint) is tuple else (type(items[number]), ...)
    item_hint = inner[0] if len(inner) == 2 and inner[1] is Ellipsis else inner[number]
    new = set_values(items[number], item_hint, given, f"{at}[{number}]")
    return (*items[:number], new, *items[number + 1 :])


def _field_hint(kind: type, name: str, at: str) -> Any:
    hints = field_hints(kind)
    if name in hints:
        return hints[name]
    if name in {field.name for field in dataclasses.fields(kind)}:
        raise PlanError(f"-p {at}.{name}: it is computed from the other fields of {kind.__name__} and cannot be set")
    if isinstance(getattr(kind, name, None), property) or name in getattr(kind, "__annotations__", {}):
        raise PlanError(
            f"-p {at}.{name}: it belongs to the class {kind.__name__} or follows from its fields, and cannot be set; "
            f"fields are {', '.join(hints)}"
        )
    raise PlanError(f"-p {at}.{name}: {at} has no field {name!r}; {near(name, hints)} ({first_line(kind)})")


def _refuse_engine(value: Any, at: str) -> None:
    from curate.engines.engine import Engine

    if isinstance(value, Engine):
        raise PlanError(
            f"-p {at}: it is an engine, which stages share; set the recipe's parameter that describes it, "
            "such as engine.model, or choose it in the recipe"
        )


def near(name: str, names: Iterable[str], have: str = "it has") -> str:
    """Return what may have been meant by a name, or which names there are."""
    names = list(names)
    close = difflib.get_close_matches(name, names, 1)
    return f"did you mean {close[0]}?" if close else f"{have} {', '.join(names) or 'none'}"


def first_line(thing: Any) -> str:
    """Return the first line of a docstring with its name, as in `Hints: Writes the hint block of a sample.`."""
    text = (getattr(thing, "__doc__", None) or "").strip().partition("\n")[0]
    return f"{getattr(thing, '__name__', thing)}: {text}"
