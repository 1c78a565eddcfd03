"""Recipes are found by name or file."""

import pytest

from curate.errors import PlanError
from curate.recipe import find_recipe, known_recipes
from tests.support.recipes import LONG_TEXTS


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "mine.py"
    path.write_text(LONG_TEXTS)
    return path


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


def test_every_recipe_module_holds_a_function_of_its_name():
    for name in known_recipes():
        assert callable(find_recipe(name))
