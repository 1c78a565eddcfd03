import json
from pathlib import Path

import pytest

from curate.recipe import build, find_recipe, known_recipes
from curate.stages import Measures, stage_id

GOLDEN = json.loads((Path(__file__).parents[1] / "golden" / "stage_ids.json").read_text())


@pytest.mark.parametrize("name", known_recipes())
def test_a_recipe_with_defaults_keeps_its_stage_ids_and_its_verdict_id(name):
    """What a dataset folder holds is found again: a change here measures everything anew, so it is made on purpose."""
    pipeline, _ = build(find_recipe(name), [])
    stages = [stage_id(stage) if isinstance(stage, Measures) else repr(stage) for stage in pipeline.stages]

    assert stages == GOLDEN[name]["stages"]
    assert pipeline.verdict_id() == GOLDEN[name]["verdict"]
