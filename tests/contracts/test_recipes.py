import pickle
import sys
from pathlib import Path

import pytest

from curate.errors import PlanError
from tests.contracts import recipe_laws as laws
from tests.contracts.recipe_laws import LAWS, recipes

GOOD = '''
"""Small images go."""

import itertools

from curate.captions.prompting.hints import Hints
from curate.engines.engine import Engine
from curate.engines.fake import FakeEngine
from curate.errors import PlanError
from curate.experts.caption_judge import CaptionJudge
from curate.experts.dense_caption import DenseCaption
from curate.experts.description import Description
from curate.experts.image_facts import ImageFacts
from curate.pipeline import Pipeline
from filters.min_side import MinSide

__all__ = ["tidy"]

COUNT = itertools.count(1)


def reply(request):
    return "A dog."


class Curt(ImageFacts):
    def check(self):
        raise PlanError("no")


def tidy(side_px: int = 64, longest_side_px: int = 448) -> Pipeline:
    """Drop small images and describe the rest, after nobody (arXiv 2407.08303).

    `side_px` is ours, and so is `longest_side_px`. Left out: all else.
    """
    engine = FakeEngine(reply, "one")
    return Pipeline(
        [
            ImageFacts(),
            MinSide(side_px),
            DenseCaption(engine, hints=Hints(blocks=()), longest_side_px=longest_side_px),
        ]
    )
'''
LAST = "longest_side_px=longest_side_px),\n"
MORE = 'CaptionJudge(FakeEngine(reply, "two")), Description(engine),\n'
MANY = "".join(f"p{i}: int = {i}, " for i in range(9))
BROKEN = {
    "no paper": ("(arXiv 2407.08303)", "", laws.names_its_paper_and_what_is_left_out_and_every_parameter),
    "nothing left out": ("Left out: all else.", "", laws.names_its_paper_and_what_is_left_out_and_every_parameter),
    "a parameter without a word": (
        "`side_px` is ours",
        "It is ours",
        laws.names_its_paper_and_what_is_left_out_and_every_parameter,
    ),
    "no module docstring": (
        '"""Small images go."""',
        "",
        laws.names_its_paper_and_what_is_left_out_and_every_parameter,
    ),
    "a parameter without default": (
        "side_px: int = 64, longest_side_px",
        "side_px: int, longest_side_px",
        laws.is_a_function_of_its_modules_name_with_few_typed_parameters,
    ),
    "a parameter without type": (
        "side_px: int = 64",
        "side_px=64",
        laws.is_a_function_of_its_modules_name_with_few_typed_parameters,
    ),
    "too many parameters": (
        "side_px: int = 64,",
        f"side_px: int = 64, {MANY}",
        laws.is_a_function_of_its_modules_name_with_few_typed_parameters,
    ),
    "another name": ("def tidy(", "def tidier(", laws.is_a_function_of_its_modules_name_with_few_typed_parameters),
    "not in __all__": ('["tidy"]', "[]", laws.is_a_function_of_its_modules_name_with_few_typed_parameters),
    "stages that do not fit": ("            ImageFacts(),\n", "", laws.builds_with_defaults_a_pipeline_that_fits),
    "another pipeline each time": (
        "MinSide(side_px)",
        "MinSide(next(COUNT))",
        laws.builds_the_same_pipeline_each_time_and_pickles_to_it,
    ),
    "does not pickle": (
        'FakeEngine(reply, "one")',
        'FakeEngine(lambda request: "", "one")',
        laws.builds_the_same_pipeline_each_time_and_pickles_to_it,
    ),
    "a parameter that no text can set": (
        "longest_side_px: int = 448)",
        'longest_side_px: int = 448, engine: Engine = FakeEngine(reply, "x"))',
        laws.lets_every_parameter_and_field_be_set_to_what_it_is,
    ),
    "a refusal that says nothing": (
        "ImageFacts(),",
        "Curt(),",
        laws.plans_over_what_there_is_or_says_what_is_missing,
    ),
    "an engine that is started twice": (LAST, LAST + MORE, laws.starts_each_engine_once),
}


@pytest.mark.parametrize("law", LAWS, ids=lambda law: law.__name__)
@pytest.mark.parametrize("module", recipes("pipelines"), ids=lambda module: module.__name__)
def test_every_recipe(module, law):
    law(module)


def obey(module) -> None:
    for law in LAWS:
        law(module)


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A package of recipes beside the project's; returns a function that writes its only module and finds it."""
    folder = tmp_path / "more_pipelines"
    folder.mkdir()
    (folder / "__init__.py").touch()
    monkeypatch.syspath_prepend(tmp_path)

    def write(source: str):
        (folder / "tidy.py").write_text(source)
        (module,) = recipes("more_pipelines")
        return module

    yield write
    for name in [name for name in sys.modules if name.partition(".")[0] == "more_pipelines"]:
        del sys.modules[name]


def test_a_new_recipe_file_is_found_and_held_to_every_law(package):
    module = package(GOOD)
    assert module.__name__ == "more_pipelines.tidy"
    obey(module)


@pytest.mark.parametrize("fault", BROKEN)
def test_a_broken_recipe_breaks_the_law_that_is_about_it(package, fault):
    before, after, law = BROKEN[fault]
    module = package(GOOD.replace(before, after))
    with pytest.raises((AssertionError, AttributeError, PlanError, pickle.PicklingError)):
        law(module)
