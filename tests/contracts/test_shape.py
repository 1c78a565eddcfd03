"""The shape of the code: small modules, no import cycle, few files at the top, imports in one direction."""

import ast
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

from tests.contracts.walk import modules

ROOT = Path(__file__).parents[2]
PRODUCT = ("curate", "filters", "pipelines", "schemas")
BESIDE = ("benchmarks", "faults", "nano")
LONGEST_MODULE = 400  # lines
MOST_FILES_AT_THE_TOP = 7
FORBIDDEN = {  # who imports whom never: tests may import everything, nothing imports tests
    **dict.fromkeys(PRODUCT, ("benchmarks", "faults", "nano", "tests")),
    "benchmarks": ("faults", "tests"),
    "faults": ("benchmarks", "nano", "tests"),
    "nano": ("benchmarks", "faults", "tests"),
}
WITHOUT_A_ROOM = {"consumers", "contracts", "faults", "fuzz", "golden", "nano", "pages", "support"}
"""Folders of tests/ that mirror no package of the wheel: laws over all of it, and what lies beside it."""


def sources(*packages):
    return sorted(path for package in packages for path in (ROOT / package).rglob("*.py"))


def name_of(path):
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def imports(path, names):
    """Return the modules of `names` that a file imports: at its top or in a function, unless only for types."""
    tree = ast.parse(path.read_text())
    typing_only = {id(node) for block in ast.walk(tree) if is_for_types(block) for node in ast.walk(block)}
    imported = set()
    for node in ast.walk(tree):
        if id(node) in typing_only:
            continue
        if isinstance(node, ast.Import):
            imported |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute"
            submodules = {f"{node.module}.{alias.name}" for alias in node.names} & names
            imported |= submodules or {node.module}
    return imported


def is_for_types(node):
    return isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING")


def test_a_module_has_at_most_400_lines():
    lines = {name_of(path): len(path.read_text().splitlines()) for path in sources(*PRODUCT, *BESIDE)}

    assert {name: count for name, count in lines.items() if count > LONGEST_MODULE} == {}


def test_no_module_imports_itself_by_way_of_others():
    paths = sources(*PRODUCT, *BESIDE)
    names = {name_of(path) for path in paths}
    graph = {name_of(path): (imports(path, names) & names) - {name_of(path)} for path in paths}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(f"import cycle: {' -> '.join(error.args[1])}")


def test_imports_are_seen_in_functions_and_left_out_where_they_are_for_types(tmp_path):
    path = tmp_path / "a.py"
    path.write_text(
        "from typing import TYPE_CHECKING\n"
        "if TYPE_CHECKING:\n    from curate.pipeline import Pipeline\n"
        "def load():\n    from curate.run import runner\n"
    )

    assert imports(path, {"curate.run.runner"}) == {"typing", "curate.run.runner"}


def test_the_top_of_curate_is_what_a_user_and_the_author_of_a_stage_touch():
    files = [path.name for path in (ROOT / "curate").glob("*.py") if path.name != "__init__.py"]

    assert len(files) <= MOST_FILES_AT_THE_TOP, files


@pytest.mark.parametrize("package", [*PRODUCT, *BESIDE])
def test_imports_have_one_direction(package):
    wrong = {
        f"{name_of(path)} imports {module}"
        for path in sources(package)
        for module in imports(path, set())
        if module.partition(".")[0] in FORBIDDEN[package]
    }

    assert wrong == set()


def test_all_is_sorted_and_every_name_in_it_exists():
    public = {
        each.__name__: (each, each.__all__) for name in PRODUCT for each in modules(name) if hasattr(each, "__all__")
    }

    assert [name for name, (_, names) in public.items() if list(names) != sorted(names, key=is_class_then_name)] == []
    assert [
        f"{name}.{each}" for name, (module, names) in public.items() for each in names if not hasattr(module, each)
    ] == []


def is_class_then_name(name):
    """Sort as ruff's RUF022: constants, then classes, then all others."""
    kind = 0 if name.isupper() else 1 if name[:1].isupper() else 2
    return kind, name


def test_tests_mirror_the_packages():
    """A folder of tests is a package or a folder of one, so that whoever knows a module knows where its tests are."""
    folders = {path.parent.relative_to(ROOT / "tests") for path in (ROOT / "tests").rglob("test_*.py")}
    mirrored = [folder for folder in folders if folder.parts and folder.parts[0] not in WITHOUT_A_ROOM]

    assert [str(folder) for folder in mirrored if not (ROOT / folder).is_dir()] == []
    nano = [path.parent.relative_to(ROOT / "tests") for path in (ROOT / "tests" / "nano").rglob("test_*.py")]
    assert [str(folder) for folder in nano if not (ROOT / folder).is_dir()] == []
