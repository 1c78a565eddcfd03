"""The options of a format are the fields of its dataclass: list them, read them from `name=value` texts, check them."""

import re
from collections.abc import Sequence
from dataclasses import MISSING, dataclass, fields
from typing import Any, get_type_hints

from curate.errors import PlanError
from curate.exports.formats import Format, find_format, format_name

__all__ = ["Option", "check_at_least_one", "check_file_name", "list_options", "read_format"]


@dataclass(frozen=True, slots=True)
class Option:
    """One option of a format; `default` is text, None where it must be given."""

    name: str
    type: str
    default: str | None
    doc: str


def list_options(kind: type[Format]) -> list[Option]:
    """Return the options of a format in order."""
    hints = get_type_hints(kind, include_extras=True)
    return [_option(field, hints[field.name]) for field in fields(kind)]  # type: ignore[arg-type]


def read_format(name: str, assignments: Sequence[str] = ()) -> Format:
    """Return the format `name` with options from `name=value` texts.

    Raises PlanError for an unknown format, an option that it does not have, a missing one, or a value it cannot take.
    """
    from curate.recipe import read_assignments

    kind = find_format(name)
    options = {option.name: option for option in list_options(kind)}
    given = [assignment.partition("=")[0] for assignment in assignments]
    if unknown := [text for text in given if text not in options]:
        raise PlanError(f"the format {format_name(kind)} has no option {unknown[0]!r}; it has {', '.join(options)}")
    for option in options.values():
        if option.default is None and option.name not in given:
            raise PlanError(f"the format {format_name(kind)} needs -p {option.name}=...: {option.doc}")
    return kind(**read_assignments(kind, assignments))


def check_file_name(name: str) -> None:
    """Raise PlanError unless `name` can begin the name of a file anywhere."""
    if not re.fullmatch(r"[A-Za-z0-9_-]+", name):
        raise PlanError(f"the name of the files {name!r} may have letters, digits, - and _ only")


def check_at_least_one(**bounds: int | None) -> None:
    """Raise PlanError that names the first bound below 1; None is no bound."""
    for name, value in bounds.items():
        if value is not None and value < 1:
            raise PlanError(f"{name} is {value}; it must be at least 1")


def _option(field: Any, hint: Any) -> Option:
    (doc,) = getattr(hint, "__metadata__", ("",))
    plain = getattr(hint, "__origin__", hint) if doc else hint
    type_ = plain.__name__ if isinstance(plain, type) and not hasattr(plain, "__args__") else str(plain)
    default = None if field.default is MISSING else "none" if field.default is None else str(field.default)
    return Option(field.name, type_, default, doc)
