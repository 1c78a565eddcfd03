"""A pipeline that cannot work says so before anything starts."""

from dataclasses import dataclass

import pytest

from curate.engines.engine import Engine
from curate.engines.fake import FakeEngine
from curate.errors import PlanError
from curate.pipeline import Pipeline
from curate.stages import Resources, stage_id, stage_name
from tests.support.stages import AtLeast, Brightness, TextLength

STILL = FakeEngine(str, "still")


@dataclass(frozen=True)
class Writer(TextLength):
    engine: Engine = STILL


def test_a_missing_column_names_the_stage_and_what_there_is():
    with pytest.raises(PlanError, match=r"stage 0 AtLeast\(.*needs \['text_length'\]; columns so far: \['uid'"):
        Pipeline([AtLeast("text_length", 1), TextLength()]).check()


@pytest.mark.parametrize("name", ["text_length", "alt_text", "dropped_by", "row"])
def test_a_column_is_added_once(name):
    with pytest.raises(PlanError, match=f"adds '{name}', which already exists"):
        Pipeline([TextLength(), TextLength(adds_name=name)]).check()


def test_what_is_not_a_stage_is_refused():
    with pytest.raises(PlanError, match="stage 0 'nonsense' is neither an expert"):
        Pipeline(["nonsense"]).check()


def test_segments_change_with_the_engine_and_filters_stay_before_it():
    stages = [TextLength(), AtLeast("text_length", 1), Brightness(), AtLeast("brightness", 1)]
    writers = [Writer(adds_name="a"), AtLeast("a", 1), TextLength(adds_name="c"), Writer(adds_name="b")]

    first, second = Pipeline([*stages, *writers]).segments()

    assert first.stages == tuple(stages)
    assert second.stages == tuple(writers)
    assert (first.engine, second.engine) == (None, STILL)


def test_a_pipeline_of_filters_and_an_empty_one_have_one_segment():
    assert len(Pipeline([AtLeast("alt_text", 1)]).segments()) == 1
    assert len(Pipeline([]).segments()) == 1


def test_experts_that_see_images_set_the_rows_of_a_chunk():
    text, image = TextLength(resources=Resources(batch_rows=512)), Brightness(resources=Resources(batch_rows=64))
    assert Pipeline([text, image]).segments()[0].resources.batch_rows == 64
    assert Pipeline([text]).segments()[0].resources.batch_rows == 512


def test_placement_is_not_identity_and_parameters_are():
    assert stage_id(TextLength()) == stage_id(TextLength(resources=Resources(gpus=1)))
    assert stage_id(TextLength()) != stage_id(TextLength(adds_name="other"))
    assert stage_name(TextLength()) == "text_length"


def test_a_verdict_belongs_to_every_threshold_and_to_the_limit():
    def verdict(bound, limit=None):
        return Pipeline([TextLength(), AtLeast("text_length", bound)]).verdict_id(limit)

    assert verdict(1) == verdict(1)
    assert len({verdict(1), verdict(2), verdict(1, limit=5)}) == 3
