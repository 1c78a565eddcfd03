"""What a proof types builds: its recipes, their parameters, and tiers of SAIL-VL's shares."""

from pathlib import Path

import pytest

from curate.recipe import build, find_recipe
from nano.proofs import captions, curriculum
from nano.proofs.arms import Options
from nano.proofs.clip import RECIPES, SCALES

WRITER = "engine.model=nano/vlm"


def names(recipe, assignments=()):
    pipeline, _ = build(find_recipe(recipe), list(assignments))
    pipeline.schema()
    return [type(stage).__name__ for stage in pipeline.stages]


def test_raw_keeps_everything_and_filtered_drops_by_four_rules():
    assert names(f"{RECIPES}:raw") == ["TextFacts", "ImageFacts"]
    filters = {"CaptionWords", "NoBoilerplate", "LanguageIn", "MinClipScore"}
    assert filters <= set(names(f"{RECIPES}:filtered"))
    assert not filters & set(names(f"{RECIPES}:tiers"))


@pytest.mark.parametrize(("more", "checked"), [(captions.ALONE, False), (captions.FUSED, True)])
def test_only_fused_captions_are_checked_and_repaired(more, checked):
    found = names("densefusion", [*captions.DENSEFUSION, *more])
    assert "DenseCaption" in found
    assert ("RepairCaption" in found) == ("CaptionEvidence" in found) == checked


@pytest.mark.parametrize(("more", "caption"), [((), False), (captions.EDITED, True)])
def test_typed_errors_are_made_in_a_caption(more, caption):
    found = names("stic", [WRITER, *captions.STIC, *more])
    assert "PreferencePair" in found
    assert ("DenseCaption" in found) == caption


@pytest.mark.parametrize("scale", SCALES)
def test_every_order_sees_as_many_samples(scale, tmp_path):
    for name in ("raw", "tiers"):
        (tmp_path / "shards" / name).mkdir(parents=True)
        (tmp_path / "shards" / name / "export.json").touch()
    arms = curriculum.phases(Options(tmp_path, 1, scale, "cpu", Path("python")))
    seen = {arm: sum(phase.samples_seen for phase in phases) for arm, phases in arms.items()}
    assert len(set(seen.values())) == 1
    assert arms["falling"] == arms["rising"][::-1]
