"""The worked examples of docs/how-it-works.md are true; that of a format is run by tests/contracts/test_exports.py."""

import importlib
import re
import sys
from pathlib import Path

import pytest

from tests.contracts import test_experts as laws
from tests.support.images import jpeg

PAGE = (Path(__file__).parents[2] / "docs" / "how-it-works.md").read_text()
SECTION = PAGE.partition("## Add an expert that asks a model")[2].partition("\n## ")[0]
FILES = dict(re.findall(r"`([\w/]+\.py)`:\n\n```python\n(.*?)```", SECTION, re.DOTALL))
TRIAL = SECTION.rpartition("```python\n")[2].partition("```")[0]


@pytest.fixture
def scene(tmp_path, monkeypatch):
    """Lay the files of the example beside those of their packages; gives the class of the expert."""
    for file, text in FILES.items():
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).write_text(text)
        package = importlib.import_module(str(Path(file).parent).replace("/", "."))
        monkeypatch.setattr(package, "__path__", [*package.__path__, str((tmp_path / file).parent)])
    yield importlib.import_module("curate.experts.scene").Scene
    for name in ("schemas.scene", "curate.experts.scene"):
        sys.modules.pop(name, None)


def test_the_example_is_two_files_and_a_trial():
    assert list(FILES) == ["schemas/scene.py", "curate/experts/scene.py"]
    assert "measure(" in TRIAL


def test_the_trial_runs_as_it_stands(scene):
    exec(TRIAL, {"image": jpeg()})


def test_the_expert_of_the_example_obeys_the_laws_of_all_experts(scene):
    laws.test_satisfies_the_protocol(scene)
    laws.test_pickles_to_an_equal_copy_of_the_same_identity(scene)
    laws.test_documents_what_it_adds_and_needs_what_others_document(scene)
    laws.test_check_is_quiet_or_a_plan_error(scene)
    laws.test_rows_of_nulls_give_as_many_rows_of_the_documented_types(scene, 2)


def test_its_asking_logic_is_short(scene):
    """The frame is engines/asking.py: what remains to be written is about fifty lines, fields and checks included."""
    lines = [line for line in FILES["curate/experts/scene.py"].splitlines() if line.strip()]

    assert len(lines) <= 50
