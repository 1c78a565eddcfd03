"""Commands in the documentation name recipes and paths that exist."""

import itertools
import re
import shlex
from pathlib import Path

import pytest

from curate.recipe import build, find_recipe, known_recipes

ROOT = Path(__file__).parents[3]
PAGES = [*sorted((ROOT / "docs").glob("*.md")), ROOT / "README.md", ROOT / "nano" / "evaluate" / "calibration.py"]
COMMAND = re.compile(rf"curate (?:run|retry|plan|calibrate) ({'|'.join(known_recipes())})\b([^\n`]*)")


def commands(page: Path) -> list[tuple[str, list[str]]]:
    """Return the recipe and the assignments of each command on a page; one may go on in the next line."""
    text = page.read_text().replace("\\\n", " ").replace("\n-p ", " -p ")
    return [(name, assignments(shlex.split(rest.partition("#")[0]))) for name, rest in COMMAND.findall(text)]


def assignments(words: list[str]) -> list[str]:
    return [after for word, after in itertools.pairwise(words) if word == "-p"]


CASES = [(page.name, *command) for page in PAGES for command in commands(page)]


def test_the_pages_hold_commands_with_assignments():
    assert {page for page, _, given in CASES if given} >= {"calibration.py", "judges.md", "questions.md"}


@pytest.mark.parametrize(("page", "recipe", "given"), CASES)
def test_a_documented_command_builds_its_pipeline(page, recipe, given, tmp_path, monkeypatch):
    tables = re.findall(r"```toml\n(.*?)```", (ROOT / "docs" / "pools.md").read_text(), re.DOTALL)
    (tmp_path / "buckets.toml").write_text(tables[0])  # the file that this page writes and its command reads
    if page == "pools.md":
        monkeypatch.chdir(tmp_path)
    pipeline, recorded = build(find_recipe(recipe), given)
    pipeline.schema()
    assert len(recorded) == len(given)


def test_the_recipe_of_the_readme_is_one_and_each_of_its_assignments_reaches_something(tmp_path):
    text = (ROOT / "README.md").read_text()
    file = tmp_path / "my.py"
    file.write_text(text.partition("```python\n")[2].partition("```")[0])
    own, big = find_recipe(f"{file}:matched"), find_recipe("densefusion")
    given = re.findall(r"^-p (\S+)", text, re.MULTILINE)
    assert len(given) >= 6
    for assignment in given:
        recipe = big if assignment.partition(".")[0] in {"ocr", "engine", "max_aspect=none"} else own
        pipeline, _ = build(recipe, [assignment])
        pipeline.schema()
        assert pipeline != build(recipe, [])[0] or assignment.startswith("ocr.resources")
