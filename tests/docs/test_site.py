"""The documentation site: its pages are made from docs/ and the code; `make site` builds it and follows every link."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from curate.cli import app
from curate.exports.formats import known_formats
from curate.recipe import known_recipes

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"


@pytest.fixture(scope="module")
def pages(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("site") / "pages"
    subprocess.run([sys.executable, DOCS / "site" / "make_pages.py", folder], check=True, cwd=ROOT)
    return folder


def headings(page: Path) -> set[str]:
    return set(re.findall(r"^## (.+)$", page.read_text(), re.MULTILINE))


def nav(entries) -> list[str]:
    return [
        each
        for entry in entries
        for value in entry.values()
        for each in ([value] if isinstance(value, str) else nav(value))
    ]


def test_every_page_is_in_the_navigation(pages):
    named = nav(yaml.safe_load((ROOT / "mkdocs.yml").read_text())["nav"])
    made = {page.relative_to(pages).as_posix() for page in pages.rglob("*.md")}
    assert len(named) == len(set(named))
    assert {page for page in made if not page.startswith("adr/")} | {"adr/index.md"} == set(named)


def test_the_reference_has_every_stage_and_filter(pages):
    for package, page, sign in (("curate/experts", "stages", "def load(self"), ("filters", "filters", "def keep(self")):
        names = set()
        for path in (ROOT / package).glob("*.py"):
            for part in path.read_text().split("\n@dataclass(frozen=True")[1:]:
                if sign in part.partition("\n\n\n")[0]:
                    names.add(re.search(r"^class (\w+)", part, re.MULTILINE)[1])
        assert len(names) > 20
        assert names <= headings(pages / "reference" / f"{page}.md")


def test_the_reference_has_every_recipe_format_and_command(pages):
    assert headings(pages / "reference" / "recipes.md") == set(known_recipes())
    assert headings(pages / "reference" / "formats.md") == set(known_formats())
    commands = {command.name or command.callback.__name__ for command in app.registered_commands}
    assert {name.removeprefix("curate ") for name in headings(pages / "reference" / "cli.md")} == commands


def test_the_reference_has_codes_that_samples_fail_with(pages):
    text = (pages / "reference" / "errors.md").read_text()
    assert {"`image_truncated`", "`tar_damaged`", "`missing_image`"} <= set(re.findall(r"`\w+`", text))
