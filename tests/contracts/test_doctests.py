"""Every example in a docstring of the four packages is run."""

import doctest

import pytest

from tests.contracts.walk import modules

PACKAGES = ("filters", "curate", "pipelines", "schemas")
MODULES = [module for package in PACKAGES for module in modules(package)]


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.__name__)
def test_examples_in_docstrings_are_true(module):
    assert doctest.testmod(module).failed == 0
