"""The table of known models: every default of a recipe is in it, pinned, with its licence and where that was read."""

import re

import pytest

from curate.models.known import PERMISSIVE, find_known, known_names, pinned_revision
from curate.models.needed import Needed, needed_of, pin
from curate.models.weights import Weights
from curate.recipe import build, find_recipe, known_recipes


@pytest.mark.parametrize("name", known_names())
def test_an_entry_is_pinned_and_says_where_it_was_read(name):
    known = find_known(name)
    pattern = r"v\d+\.\d+\.\d+" if name.endswith((".pt", ".ts")) else r"[0-9a-f]{40}"
    if name.startswith("https://"):  # an address has no revisions: what it names is known by its digest
        assert known.sha256
        assert known.revision == ""
    else:
        assert re.fullmatch(pattern, known.revision)
    assert known.source
    assert known.licence in PERMISSIVE or known.instead
    assert all(re.fullmatch("[0-9a-f]{64}", digest) for digest in known.sha256.values())


@pytest.mark.parametrize("recipe", known_recipes())
def test_every_model_that_a_recipe_needs_by_default_is_pinned(recipe):
    pipeline, _ = build(find_recipe(recipe), [])
    needed = [one for stage in pipeline.stages for one in needed_of(stage) if not one.weights.is_local()]
    for one in needed:
        assert one.weights.revision == pinned_revision(one.weights.where) != "", one
        assert one.licence != "unknown", one


def test_weights_are_found_and_revised_at_any_depth():
    pipeline, _ = build(find_recipe("densefusion"), ["engine.model=org/writer", "clip.weights=laion2b_s32b_b82k"])
    asked: list[str] = []

    def revise(weights: Weights) -> Weights:
        asked.append(weights.where)
        return weights if weights.is_local() else Weights(weights.where, "abc")

    stages = [pin(stage, revise) for stage in pipeline.stages]
    revisions = {one.weights.where: one.weights.revision for stage in stages for one in needed_of(stage)}
    assert revisions["org/writer"] == revisions["laion/CLIP-ViT-L-14-laion2B-s32B-b82K"] == "abc"
    assert "laion2b_s32b_b82k@abc" in repr(stages[5])
    assert all(new is old for new, old in zip(stages[:5], pipeline.stages[:5], strict=True))


@pytest.mark.parametrize(
    ("needed", "licence", "permissive"),
    [
        (Needed(Weights("yolo11x.pt"), "file"), "AGPL-3.0", False),
        (Needed(Weights("nano/detector/nano-yolo.pt"), "file", library="ultralytics"), "AGPL-3.0", False),
        (Needed(Weights("Qwen/Qwen3-VL-8B-Instruct")), "Apache-2.0", True),
        (Needed(Weights("Qwen/Qwen2.5-VL-3B-Instruct")), "Qwen-Research", False),
        (Needed(Weights("org/nobody-knows")), "unknown", False),
        (Needed(Weights("nano/vlm")), "unknown", True),
    ],
)
def test_permissive_is_what_is_known_to_be_or_the_users_own(needed, licence, permissive):
    assert (needed.licence, needed.is_permissive()) == (licence, permissive)
