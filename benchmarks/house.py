"""The shape of a checkout in numbers: rooms and arrows, modules, repeated lines, sizes of experts, recipe parameters.

    python -m benchmarks.house [FOLDER ...]

One column per folder, so that a checkout of an earlier commit (`git worktree add /tmp/before COMMIT`) can stand beside
this one. A room is a package of `curate/`, a module at its top, or another package of the project; an arrow is a pair
of rooms of which one imports the other. Files are read as text, nothing of them is run.
"""

import ast
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from rich.console import Console
from rich.table import Table

PACKAGES = ("benchmarks", "curate", "faults", "filters", "nano", "pipelines", "schemas")
REPEATED_LINES = 6  # so many lines in a row, white space and comments aside, that stand in two places


def modules(root: Path) -> dict[str, tuple[Path, ast.Module]]:
    """Return the modules of the project by dotted name, tests left out."""
    files = [file for package in PACKAGES for file in sorted((root / package).rglob("*.py"))]
    return {_name(root, file): (file, ast.parse(file.read_text())) for file in files}


def room(name: str) -> str:
    """Return the room of a module.

    >>> [room(name) for name in ("curate.run.worker", "curate.stages", "nano.world.scenes")]
    ['curate.run', 'curate.stages', 'nano']
    """
    parts = name.split(".")
    return ".".join(parts[:2]) if parts[0] == "curate" else parts[0]


def arrows(trees: dict[str, tuple[Path, ast.Module]]) -> set[tuple[str, str]]:
    """Return the pairs of different rooms of which the first imports the second."""
    pairs = {(room(name), room(other)) for name, (_, tree) in trees.items() for other in _imports(tree)}
    return {(a, b) for a, b in pairs if a != b and a.partition(".")[0] in PACKAGES and b.partition(".")[0] in PACKAGES}


def circles(pairs: set[tuple[str, str]]) -> int:
    """Return how many rooms can be reached from themselves."""
    reach = {a: {b for x, b in pairs if x == a} for a, _ in pairs}
    for _ in reach:
        reach = {a: bs | {c for b in bs for c in reach.get(b, ())} for a, bs in reach.items()}
    return sum(a in bs for a, bs in reach.items())


def asking_experts(root: Path) -> list[int]:
    """Return the lines of each expert that holds an engine."""
    texts = [file.read_text() for file in (root / "curate" / "experts").glob("*.py")]
    return sorted(text.count("\n") for text in texts if "\n    engine: Engine" in text)


def recipe_parameters(root: Path) -> dict[str, int]:
    """Return how many parameters each recipe takes."""
    found = {}
    for file in sorted((root / "pipelines").glob("[a-z]*.py")):
        functions = [node for node in ast.parse(file.read_text()).body if isinstance(node, ast.FunctionDef)]
        found |= {f.name: len(f.args.args) + len(f.args.kwonlyargs) for f in functions if f.name == file.stem}
    return found


def repeated(trees: dict[str, tuple[Path, ast.Module]]) -> int:
    """Return how many runs of REPEATED_LINES equal lines stand in more than one place, imports left out."""
    runs: Counter[tuple[str, ...]] = Counter()
    for file, _ in trees.values():
        lines = [line.split("#")[0].strip() for line in file.read_text().splitlines()]
        lines = [line for line in lines if len(line) > 3 and not line.startswith(("import ", "from ", '"""'))]
        runs.update(tuple(lines[i : i + REPEATED_LINES]) for i in range(len(lines) - REPEATED_LINES + 1))
    return sum(times > 1 for times in runs.values())


def figures(root: Path) -> dict[str, str]:
    """Return what is measured of a checkout, by name."""
    trees = modules(root)
    pairs, lines = arrows(trees), sorted(file.read_text().count("\n") for file, _ in trees.values())
    experts, top = asking_experts(root), list((root / "curate").glob("*.py"))
    found = {
        "rooms": len({room(name) for name in trees if name not in PACKAGES}),
        "arrows between rooms": len(pairs),
        "rooms in a circle": circles(pairs),
        "files at the top of curate/": len(top),
        "modules / median / longest": f"{len(lines)} / {lines[len(lines) // 2]} / {lines[-1]}",
        "runs of six lines that stand twice": repeated(trees),
        "experts that hold an engine / lines in all": f"{len(experts)} / {sum(experts)}",
    }
    parameters = {f"parameters of {name}": n for name, n in recipe_parameters(root).items()}
    return {name: str(value) for name, value in (found | parameters).items()}


def main(folders: list[str]) -> None:
    """Print the figures of each checkout as a column."""
    columns = {folder: figures(Path(folder).resolve()) for folder in folders or ["."]}
    table = Table("", *columns, box=None)
    for name in dict.fromkeys(name for column in columns.values() for name in column):
        table.add_row(name, *(column.get(name, "-") for column in columns.values()))
    Console().print(table)


def _name(root: Path, file: Path) -> str:
    return ".".join(file.relative_to(root).with_suffix("").parts).removesuffix(".__init__")


def _imports(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module:
            yield from ([f"curate.{alias.name}" for alias in node.names] if node.module == "curate" else [node.module])
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


if __name__ == "__main__":
    main(sys.argv[1:])
