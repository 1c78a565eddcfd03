"""Which nouns of a caption are asked, and what becomes of the answers."""

import pytest

from curate.captions.checking.evidence import Evidence
from curate.captions.checking.lexicon import read_lexicon
from curate.captions.checking.witnesses import Columns
from curate.errors import PlanError
from curate.experts.caption_objects import CaptionObjects
from curate.experts.open_objects import OpenObjects
from curate.models.weights import Weights

OPEN = Evidence(read_lexicon("lvis"), read_lexicon("coco80").names, columns=Columns(("open_objects",), "tags"))
DOG = {"label": "dog", "box": [0.1, 0.1, 0.3, 0.3], "score": 0.9}


def names(caption, objects=(), asked=(), tags=()):
    row = {
        "caption": caption,
        "objects": list(objects),
        "open_objects": [],
        "open_objects_asked": list(asked),
        "tags": [{"label": tag, "score": 0.5} for tag in tags],
    }
    return CaptionObjects(evidence=OPEN).names_of(row)


def test_what_somebody_saw_is_not_asked_and_all_else_that_is_named_is():
    caption = "A dog, two cats, a quokka and a wombat by a tightrope, and no horse."
    assert names(caption, [DOG], ["quokka"], ["wombat"]) == ["cat", "quokka", "tightrope"]


def test_no_caption_is_null_and_one_that_names_nothing_asks_nothing():
    assert names(None) is None
    assert names("Soft light.") == []


def test_at_most_so_many_names_as_the_detector_takes_are_asked_in_the_order_of_the_caption():
    expert = CaptionObjects(OpenObjects(max_names=2))
    assert expert.names_of({"caption": "A dog, a cat and a bus.", "objects": []}) == ["dog", "cat"]


def test_columns_are_named_after_the_text():
    expert = CaptionObjects(column="final_caption", evidence=OPEN)
    assert expert.adds.names == ["final_caption_objects", "final_caption_objects_asked"]
    assert expert.needs == ("final_caption", "objects", "open_objects", "open_objects_asked", "tags")


def test_a_stage_that_would_read_its_own_columns_is_refused():
    with pytest.raises(PlanError, match="names what this stage adds"):
        CaptionObjects(evidence=Evidence(columns=Columns(("caption_objects",))))


def test_weights_are_pinned_where_the_detector_holds_them():
    pinned = CaptionObjects().pinned(lambda weights: Weights(weights.where, "v1"))
    assert {each.weights.revision for each in pinned.models} == {"v1"}
