import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from curate.cli import app
from curate.errors import ContractError, PlanError
from curate.exports import formats
from curate.exports.formats import find_format, known_formats
from curate.exports.options import list_options, read_format
from tests.contracts import export_laws as laws
from tests.contracts.export_laws import LAWS, Ground
from tests.contracts.walk import stages
from tests.support.dataset_folder import make_dataset

PAGE = Path(__file__).parents[2] / "docs" / "how-it-works.md"
EXAMPLE = PAGE.read_text().partition("## Add an export format")[2]
GOOD = EXAMPLE.partition("```python\n")[2].partition("```")[0]  # the worked example of the documentation
PLACES = "[Location(file, None, 0) for _ in rows]"
BROKEN = {
    "leaves a sample out": (
        PLACES,
        f"{PLACES}[1:] + [None]",
        laws.exactly_the_kept_samples_that_match_its_condition_are_exported,
    ),
    "writes a clock": (
        "json.dumps(row)",
        "json.dumps({'at': __import__('time').time_ns()} | row)",
        laws.the_same_run_gives_the_same_bytes_also_over_an_earlier_export,
    ),
    "imports a clock": ("import json\n", "import json\nimport time\n", laws.reads_no_clock_and_no_chance),
    "leaves a file out of the manifest": (
        'Wrote({file: {"rows": len(rows)}}',
        "Wrote({}",
        laws.the_manifest_names_every_file,
    ),
    "forgets the split": (
        'part.file(self.name, "jsonl")',
        'f"{self.name}-{part.number}.jsonl"',
        laws.splits_of_a_shuffled_export_share_no_file_and_miss_no_sample,
    ),
    "differs from process to process": (
        "    reads: Reads\n",
        "    reads: Reads\n    key: object = object()\n",
        laws.its_writer_is_the_same_in_every_process,
    ),
    "says first that it is finished": (
        "        file = part",
        '        folder.write_bytes(".curate/export.json", b"{}")\n        file = part',
        laws.a_crash_leaves_no_folder_that_looks_finished_and_the_next_export_works,
    ),
    "says where no image lies": (
        "Location(file, None, 0)",
        "Location(file, 3, 5)",
        laws.the_index_points_at_the_bytes_of_the_source,
    ),
    "is not frozen": ("frozen=True", "frozen=False", laws.is_a_frozen_dataclass_with_documented_options),
    "has an option without documentation": (
        'Annotated[str, "Beginning of the names of the files."]',
        "str",
        laws.is_a_frozen_dataclass_with_documented_options,
    ),
    "has an option without a default": (' = "captions"', "", laws.is_a_frozen_dataclass_with_documented_options),
    "has no sentence": (
        '"""Write captions as lines of JSON."""',
        '"""captions"""',
        laws.is_a_frozen_dataclass_with_documented_options,
    ),
}
FORMATS = stages("curate.exports.formats", "layout")


@pytest.fixture(scope="module")
def ground(folder, tmp_path_factory) -> Ground:
    changed = make_dataset(tmp_path_factory.mktemp("changed"))
    source, image = Path(changed.shards[0].url), changed.images[changed.uid(4)]
    source.write_bytes(source.read_bytes().replace(image, image[:-4] + bytes(4)))
    return Ground(folder, changed, tmp_path_factory.mktemp("exports"))


@pytest.mark.parametrize("law", LAWS, ids=lambda law: law.__name__)
@pytest.mark.parametrize("kind", FORMATS, ids=lambda kind: kind.__name__)
def test_every_format(kind, law, ground):
    law(kind, ground)


def test_the_walk_of_the_command_line_finds_the_same_formats():
    assert sorted(find_format(name).__name__ for name in known_formats()) == [kind.__name__ for kind in FORMATS]


@pytest.mark.parametrize("name", known_formats())
def test_an_unknown_option_is_one_sentence_that_lists_the_options_of_the_format(name):
    own = ", ".join(option.name for option in list_options(find_format(name)))
    with pytest.raises(PlanError) as error:
        read_format(name, ["colour=blue"])
    assert str(error.value) == f"the format {name} has no option 'colour'; it has {own}"


def test_an_unknown_format_is_one_sentence_that_lists_the_formats():
    with pytest.raises(PlanError) as error:
        read_format("zip")
    assert str(error.value) == f"cannot export to 'zip'; formats: {', '.join(known_formats())}"


@pytest.mark.parametrize("name", known_formats())
def test_help_lists_every_format_and_every_option(name):
    help_text = " ".join(CliRunner().invoke(app, ["export", "--help"]).output.split())
    listed = CliRunner().invoke(app, ["formats", name]).output
    assert f"{name} {known_formats()[name]}" in help_text
    for option in list_options(find_format(name)):
        assert option.name in listed


@pytest.fixture
def drop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Return a function that drops a file `lines.py` into the package of formats and finds its class."""
    monkeypatch.setattr(formats, "__path__", [*formats.__path__, str(tmp_path)])

    def write(source: str) -> type:
        (tmp_path / "lines.py").write_text(source)
        return find_format("lines")

    yield write
    sys.modules.pop("curate.exports.formats.lines", None)


def test_a_new_format_file_is_found_and_held_to_every_law(drop, ground):
    kind = drop(GOOD)
    assert known_formats()["lines"] == "Write captions as lines of JSON."
    assert read_format("lines", ["name=x"]) == kind("x")
    for law in LAWS:
        law(kind, ground)


@pytest.mark.parametrize("fault", BROKEN)
def test_a_broken_format_breaks_a_law(drop, ground, fault):
    before, after, law = BROKEN[fault]
    assert before in GOOD
    kind = drop(GOOD.replace(before, after))
    with pytest.raises(AssertionError):
        law(kind, ground)


def test_the_page_about_exports_tells_of_every_format():
    lines = PAGE.with_name("exports.md").read_text().splitlines()
    rows = [line.split("`")[1] for line in lines if line.startswith("| `")]
    assert sorted(rows) == sorted(known_formats())


def test_a_file_without_a_format_is_one_sentence(drop):
    with pytest.raises(ContractError, match="must define one dataclass"):
        drop('"""Nothing."""\n')
