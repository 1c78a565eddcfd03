"""Write the pages that the documentation site is built from: docs/ as it is, and a reference made from the code.

`python docs/site/make_pages.py FOLDER`; `make site` calls it and builds the site with mkdocs.
"""

import importlib
import pkgutil
import re
import shutil
import sys
from collections.abc import Iterator
from dataclasses import MISSING, Field, fields, is_dataclass
from inspect import getdoc
from pathlib import Path
from types import ModuleType
from typing import Any

import click
import typer

import curate.corpus
import curate.errors
import curate.experts
import filters
from curate.cli import app
from curate.exports.formats import find_format, known_formats
from curate.exports.options import list_options
from curate.recipe import find_recipe, known_recipes, recipe_page
from curate.stages import CorpusStage, Expert, Filter

LONGEST = 100  # characters of a default
ROOT = Path(__file__).resolve().parents[2]


def main(folder: Path) -> None:
    """Write all pages into a new folder."""
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(ROOT / "docs", folder, ignore=shutil.ignore_patterns("site"))
    for name in ("README.md", "CONTRIBUTING.md"):
        text = (ROOT / name).read_text(encoding="utf-8").replace("](docs/adr)", "](adr/index.md)")
        target = "index.md" if name == "README.md" else name
        (folder / target).write_text(text.replace("](docs/", "]("), encoding="utf-8")
    _adrs(folder / "adr")
    for page in folder.rglob("*.md"):
        page.write_text(_inside(page.read_text(encoding="utf-8")), encoding="utf-8")
    reference = folder / "reference"
    reference.mkdir()
    pages = {
        "stages": stages(),
        "filters": filter_pages(),
        "recipes": recipes(),
        "formats": formats(),
        "cli": commands(),
    }
    for name, text in {**pages, "errors": errors()}.items():
        (reference / f"{name}.md").write_text(text, encoding="utf-8")


def stages() -> str:
    """Return the page of all stages that measure."""
    head = "# Stages\n\nEach is a frozen dataclass; what it adds is described in [data format](../data-format.md).\n"
    found = [*_classes(curate.experts, Expert), *_classes(curate.corpus, CorpusStage)]
    return head + "".join(f"\n{_entry(kind, f'adds {_names(kind)}')}" for kind in found)


def filter_pages() -> str:
    """Return the page of all filters."""
    head = (
        "# Filters\n\nEach decides from columns alone. A null means that a value was never measured, and drops too.\n"
    )
    return head + "".join(f"\n{_entry(kind, '')}" for kind in _classes(filters, Filter))


def recipes() -> str:
    """Return what `curate recipes NAME` says of each recipe."""
    parts = ["# Recipes\n\nWhat `curate recipes NAME` says: every path that `-p` sets, with its type and default.\n"]
    parts += [f"\n## {name}\n\n```text\n{recipe_page(find_recipe(name), None)}\n```\n" for name in known_recipes()]
    return "".join(parts)


def formats() -> str:
    """Return the formats of exports with their options."""
    parts = [
        "# Formats\n\n`curate export DATASET OUT --to FORMAT -p OPTION=VALUE`; more in [exports](../exports.md).\n"
    ]
    for name, sentence in known_formats().items():
        parts.append(f"\n## {name}\n\n{sentence}\n")
        options = list_options(find_format(name))
        if options:
            parts.append("\n| option | type | default | what it is |\n|---|---|---|---|\n")
            parts += [
                f"| `{o.name}` | {_cell(o.type)} | {_cell(o.default)} | {o.doc.replace('|', 'or')} |\n" for o in options
            ]
    return "".join(parts)


def commands() -> str:
    """Return the help of every command."""
    group = typer.main.get_command(app)
    parts = ["# Commands\n"]
    for name, command in group.commands.items():  # type: ignore[attr-defined]
        context = click.Context(command, info_name=f"curate {name}", max_content_width=100, terminal_width=100)
        parts.append(f"\n## curate {name}\n\n```text\n{command.get_help(context)}\n```\n")
    return "".join(parts)


def errors() -> str:
    """Return the errors, and every code that a sample can fail with."""
    parts = ["# Errors and codes\n\nA command that is refused says one sentence and ends with exit code 2.\n\n"]
    about = {name: getdoc(getattr(curate.errors, name)) or "" for name in curate.errors.__all__}
    parts += [f"**{name}**: {' '.join(text.split())}\n\n" for name, text in about.items()]
    parts.append("## Codes of samples\n\n`error` in SQL is `STAGE: CODE`; `curate errors` groups by them.\n\n")
    codes: dict[str, set[str]] = {}
    for path in sorted((ROOT / "curate").rglob("*.py")):
        for code in re.findall(r'SampleError\(\s*"([a-z_]+)"', path.read_text(encoding="utf-8")):
            codes.setdefault(code, set()).add(path.relative_to(ROOT).as_posix())
    parts.append("| code | raised in |\n|---|---|\n")
    parts += [
        f"| `{code}` | {', '.join(f'`{each}`' for each in sorted(places))} |\n"
        for code, places in sorted(codes.items())
    ]
    return "".join(parts)


def _adrs(folder: Path) -> None:
    pages = sorted(folder.glob("*.md"))
    titles = [(page.name, page.read_text(encoding="utf-8").split("\n", 1)[0].lstrip("# ")) for page in pages]
    text = "# Decisions\n\n" + "".join(f"- [{title}]({name})\n" for name, title in titles)
    (folder / "index.md").write_text(text, encoding="utf-8")


def _inside(text: str) -> str:
    """Return a page whose links to files of the repository that are no pages are plain code."""
    return re.sub(r"\[([^\]]+)\]\((?:\.\./)+(?!docs/|[\w-]+\.md)([\w/.-]+)\)", r"\1 (`\2`)", text)


def _classes(package: ModuleType, protocol: type) -> list[type]:
    """Return the stages that the modules of a package define, by name."""
    found: dict[str, type] = {}
    for module in _modules(package):
        for kind in vars(module).values():
            if (
                isinstance(kind, type)
                and is_dataclass(kind)
                and kind.__module__ == module.__name__
                and _is(kind, protocol)
            ):
                found[kind.__name__] = kind
    return [found[name] for name in sorted(found)]


def _is(kind: type, protocol: type) -> bool:
    names = {"keep"} if protocol is Filter else {"adds", "load"} if protocol is Expert else {"adds", "measure"}
    return all(hasattr(kind, name) for name in names)


def _modules(package: ModuleType) -> Iterator[ModuleType]:
    for info in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
        yield importlib.import_module(info.name)


def _entry(kind: type, adds: str) -> str:
    lines = [f"## {kind.__name__}\n\n`{kind.__module__}`, `-p {_snake(kind)}.FIELD=…`{f'; {adds}' if adds else ''}\n"]
    lines.append(f"\n{_prose(getdoc(kind) or '')}\n")
    own = [field for field in fields(kind) if field.init]
    if own:
        lines.append("\n| field | type | default |\n|---|---|---|\n")
        lines += [f"| `{field.name}` | {_cell(_type(field.type))} | {_cell(_default(field))} |\n" for field in own]
    return "".join(lines)


def _snake(kind: type) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", kind.__name__).lower()


def _prose(text: str) -> str:
    """Return a docstring whose examples are code blocks."""
    return re.sub(
        r"((?:^>>> .*\n(?:(?:\.\.\. |(?!>>>)\S).*\n?)*)+)", r"```python\n\1```\n", text + "\n", flags=re.MULTILINE
    )


def _type(kind: object) -> str:
    text = kind.__name__ if isinstance(kind, type) and not hasattr(kind, "__args__") else str(kind)
    return re.sub(r"\b(?:[a-z_]+\.)+(?=[A-Za-z])", "", text)


def _default(field: Field[Any]) -> str:
    if field.default is not MISSING:
        return re.sub(r"\s+", " ", repr(field.default))[:LONGEST]
    return "" if field.default_factory is MISSING else "made anew"


def _names(kind: type) -> str:
    adds = kind.adds  # type: ignore[attr-defined]
    names = getattr(adds, "names", None)
    return ", ".join(f"`{name}`" for name in names) if names else "columns that depend on its fields"


def _cell(text: object) -> str:
    return f"`{str(text).replace('|', 'or')}`" if str(text) else ""


if __name__ == "__main__":
    main(Path(sys.argv[1]))
