"""Recipes: functions that build a pipeline, and the `name=value` texts that set what is in it."""

from curate.recipe.build import build, read_assignments
from curate.recipe.find import FILE_MODULE, Recipe, find_recipe, known_recipes
from curate.recipe.settings import Setting, recipe_list, recipe_page, settings

__all__ = [
    "FILE_MODULE",
    "Recipe",
    "Setting",
    "build",
    "find_recipe",
    "known_recipes",
    "read_assignments",
    "recipe_list",
    "recipe_page",
    "settings",
]
