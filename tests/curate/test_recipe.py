"""Recipes are found by name or file; parameters are typed."""

import pytest

from curate.errors import PlanError
from curate.recipe import build, find_recipe, known_recipes

RECIPE = """
from curate.pipeline import Pipeline
from tests.support.stages import AtLeast, TextLength

def long_texts(shortest: int = 3, strict: bool = False, names: tuple[str, ...] = ()) -> Pipeline:
    if shortest < 0:
        raise ValueError("shortest must be 0 or more")
    return Pipeline([TextLength(), AtLeast("text_length", shortest + strict)])

def wrong() -> int:
    return 1
"""


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "mine.py"
    path.write_text(RECIPE)
    return path


def test_a_recipe_may_be_a_function_in_a_file(file):
    pipeline, parameters = build(find_recipe(f"{file}:long_texts"), ["shortest=5", "strict=true", 'names=["a"]'])

    assert pipeline.stages[1].bound == 6
    assert parameters == {"shortest": 5, "strict": True, "names": ("a",)}


@pytest.mark.parametrize(
    ("assignments", "message"),
    [
        (["shortst=5"], "no parameter 'shortst'; did you mean shortest?"),
        (["qqq=5"], "it takes shortest, strict, names"),
        (["shortest"], "not name=value"),
        (["shortest=many"], "shortest=many: .*expected int"),
        (["shortest=-1"], "shortest must be 0 or more"),
    ],
)
def test_a_wrong_parameter_is_one_sentence(file, assignments, message):
    with pytest.raises(PlanError, match=message):
        build(find_recipe(f"{file}:long_texts"), assignments)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("quickstrat", "did you mean quickstart?"),
        ("zzz", "there are .*quickstart.*or give path/to/file.py:function"),
        ("no/such.py:f", "no recipe file no/such.py"),
        ("no/such.py", "no recipe file no/such.py"),
        ("no/such.py.txt:f", "is not path/to/file.py:function"),
        ("filters/min_side.py", "name the function that is the recipe; it has none"),
        ("faults/recipe.py", "it has faults/recipe.py:captions, faults/recipe.py:cheap, faults/recipe.py:faulty$"),
        ("faults/recipe.py:dear", "no function 'dear'; it has faults/recipe.py:captions, faults"),
    ],
)
def test_an_unknown_recipe_says_what_there_is(name, message):
    with pytest.raises(PlanError, match=message):
        find_recipe(name)


def test_a_broken_recipe_file_says_why(file):
    file.write_text("import no_such_module")

    with pytest.raises(PlanError, match="cannot be imported: ModuleNotFoundError"):
        find_recipe(f"{file}:f")


def test_a_function_that_returns_no_pipeline_is_refused(file):
    with pytest.raises(PlanError, match="returned int, not a"):
        build(find_recipe(f"{file}:wrong"), [])


def test_every_recipe_module_holds_a_function_of_its_name():
    for name in known_recipes():
        assert callable(find_recipe(name))
