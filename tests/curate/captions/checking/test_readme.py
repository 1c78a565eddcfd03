from pathlib import Path

import pytest

from curate.captions.checking import evidence
from curate.captions.checking.lexicon import read_lexicon
from curate.captions.checking.positions import positions

README = Path(evidence.__file__).with_name("README.md")
COCO = read_lexicon("coco80")


def rows():
    """Return text, mentions and places of each row of the two tables of examples."""
    examples, is_example = [], False
    for line in README.read_text(encoding="utf-8").splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")] if line.startswith("|") else []
        is_example = bool(cells) and (is_example or cells[0] == "text")
        if is_example and cells[0] != "text" and set(cells[0]) != {"-"}:
            examples.append(cells[:3])
    return examples


@pytest.mark.parametrize(("text", "mentions", "places"), rows())
def test_the_examples_are_read_as_the_readme_says(text, mentions, places):
    read = COCO.mentions(text)
    assert ", ".join(f"{each.label} {'-' if each.count is None else each.count}" for each in read) == mentions
    assert ", ".join(f"{read[place.mention].label} {place.words}" for place in positions(text, read)) == places


def test_the_readme_has_examples_that_are_read_and_some_that_are_not():
    assert len(rows()) >= 20


def test_the_readme_names_every_module():
    modules = {path.stem for path in README.parent.glob("*.py")} - {"__init__"}
    assert {name for name in modules if f"| `{name}` |" in README.read_text(encoding="utf-8")} == modules
