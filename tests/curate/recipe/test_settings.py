"""What can be set is listed for people and for pipes."""

from curate.recipe import find_recipe, known_recipes, recipe_list, recipe_page, settings


def needy(weights: str, size: int = 3) -> None:
    """Need something."""


def test_the_list_has_a_line_for_every_recipe():
    assert [line.split()[0] for line in recipe_list(None).splitlines()] == known_recipes()
    assert max(map(len, recipe_list(80).splitlines())) == 80


def test_parameters_come_first_then_stages_and_engines_are_not_below_stages():
    paths = [one.path for one in settings(find_recipe("sail_caption"))]
    assert paths[0] == "engine.model"
    assert "judge" in paths
    assert paths.index("longest_side_px") < paths.index("min_side.minimum_px")
    assert not any(path.startswith("dense_caption.engine") for path in paths)


def test_two_stages_of_one_class_are_listed_with_numbers():
    from tests.curate.recipe.test_build import two_lengths

    assert {"at_least[0].bound", "at_least[1].bound"} <= {one.path for one in settings(two_lengths)}


def test_a_page_is_as_wide_as_the_screen_and_whole_in_a_pipe():
    page = recipe_page(find_recipe("densefusion"), 100)
    assert max(map(len, page.splitlines())) == 100
    assert "stage dense_caption, DenseCaption: Add a dense caption" in page
    lines = [line for line in recipe_page(find_recipe("densefusion"), None).splitlines() if line and line[0] != "#"]
    assert len(lines) == len(settings(find_recipe("densefusion")))
    assert not any("…" in line.rpartition("  ")[2] for line in lines)


def test_a_parameter_without_default_is_said_to_be_needed():
    assert [(one.path, one.default) for one in settings(needy)] == [("weights", None), ("size", "3")]
    assert "(must be given)" in recipe_page(needy)
