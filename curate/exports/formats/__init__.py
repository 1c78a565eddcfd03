"""Find the export formats: one file each in this folder, named as the format is.

A format file holds one frozen dataclass: its fields are the options (type, default, documentation in `Annotated`), its
`condition` the samples it can take, its `layout` what writes the parts of an export. To list the formats is to read the
first lines of their files: nothing is imported, so that help texts stay quick.
"""

import ast
import importlib
import pkgutil
from collections.abc import Sequence
from dataclasses import is_dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from curate.errors import ContractError, PlanError

if TYPE_CHECKING:
    from curate.exports.layout import Writer
    from curate.exports.selection import Selection

__all__ = ["Format", "find_format", "format_name", "known_formats"]

PACKAGE = __name__


class Format(Protocol):
    """Writes the chosen samples of a run in the layout that a trainer reads."""

    def condition(self, columns: Sequence[str]) -> str | None:
        """Return the SQL condition for samples that hold what the format is made of; None: any sample does.

        `columns` are those of the run; raises PlanError if it lacks what every row of the format needs.
        """

    def layout(self, selection: "Selection") -> "Writer":
        """Return what writes the chosen samples; raises PlanError for an option that does not fit the run."""


def known_formats(package: str = PACKAGE) -> dict[str, str]:
    """Return the formats in a package, by name, each with the first sentence of its file."""
    folders = importlib.import_module(package).__path__
    files = [Path(folder) / f"{module.name}.py" for folder in folders for module in pkgutil.iter_modules([folder])]
    return {file.stem: _first_line(file) for file in sorted(files)}


def find_format(name: str, package: str = PACKAGE) -> type[Format]:
    """Return the class of a format, `-` and `_` alike; raises PlanError that lists the formats there are."""
    formats = known_formats(package)
    name = name if name in formats else name.replace("-", "_")
    if name not in formats:
        raise PlanError(f"cannot export to {name!r}; formats: {', '.join(formats)}")
    module = importlib.import_module(f"{package}.{name}")
    classes: list[type[Format]] = [
        value
        for value in vars(module).values()
        if isinstance(value, type) and value.__module__ == module.__name__ and hasattr(value, "layout")
    ]
    if len(classes) != 1 or not is_dataclass(classes[0]):
        raise ContractError(
            f"{module.__name__} must define one dataclass with a method `layout`, and no other class with one"
        )
    return classes[0]


def format_name(kind: type[Format]) -> str:
    """Return the name of a format: that of its file."""
    return kind.__module__.rpartition(".")[2]


def _first_line(file: Path) -> str:
    return (ast.get_docstring(ast.parse(file.read_bytes())) or "").partition("\n")[0]
