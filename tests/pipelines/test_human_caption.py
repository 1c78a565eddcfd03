"""One engine asks and writes; one threshold says where an attribute counts."""

from curate.experts.caption_kinds import CaptionKinds
from curate.experts.human_attributes import HumanAttributes
from curate.experts.main_face import MainFace
from curate.recipe import build, find_recipe
from filters.min_attributes import MinAttributes


def stages(*assignments):
    pipeline, _ = build(find_recipe("human_caption"), list(assignments))
    pipeline.schema()
    return {type(one): one for one in pipeline.stages}


def test_questions_and_texts_are_by_one_engine_which_may_be_servers():
    both = stages("engine.servers=http://a/v1")
    assert both[HumanAttributes].engine == both[CaptionKinds].engine
    assert both[CaptionKinds].engine.urls == ("http://a/v1",)


def test_an_attribute_counts_for_the_gate_where_it_counts_for_the_hints():
    both = stages("hints.min_attribute_probability=0.5")
    assert both[MinAttributes].over == 0.5
    assert {kind.hints.min_attribute_probability for kind in both[CaptionKinds].kinds} == {0.5}


def test_boxes_are_written_as_the_family_of_the_model_wants_them():
    kinds = stages("engine.model=Qwen/Qwen2.5-VL-7B-Instruct")[CaptionKinds].kinds
    assert {kind.hints.place for kind in kinds} == {"pixels"}


def test_the_labels_of_the_detector_are_a_list():
    assert stages("main_face.face_labels=Human face,head")[MainFace].face_labels == ("Human face", "head")
