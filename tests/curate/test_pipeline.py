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


def kinds(*stages):
    return [(each.kind, len(each.stages)) for each in Pipeline(stages).segments()]


def test_segments_are_cut_by_what_workers_hold_whatever_the_machine():
    cpu, gpu = Brightness(), Brightness(resources=Resources(gpus="auto"))
    text, writer = TextLength(), Writer(adds_name="a")
    assert kinds(cpu, cpu) == [("cpu", 2)]
    assert kinds(cpu, gpu, gpu, cpu) == [("cpu", 1), ("gpu", 2), ("cpu", 1)]
    assert kinds(cpu, Brightness(resources=Resources(gpus=0.25))) == [("cpu", 1), ("gpu", 1)]
    assert kinds(gpu, writer) == [("gpu", 1), ("engine", 1)]
    assert kinds(writer, cpu) == [("engine", 1), ("cpu", 1)]
    assert kinds(text, writer) == [("cpu", 1), ("engine", 1)]
    assert kinds() == [("cpu", 0)]


def test_an_expert_of_texts_alone_starts_no_segment_behind_a_model_and_nothing_parts_an_engine():
    cpu, gpu = Brightness(), Brightness(resources=Resources(gpus=1))
    text, writer, other = TextLength(), Writer(adds_name="a"), Writer(adds_name="a", engine=FakeEngine(str, "other"))
    assert kinds(gpu, text, gpu) == [("gpu", 3)]
    assert kinds(text, gpu) == [("gpu", 2)]
    assert kinds(writer, text) == [("engine", 2)]
    assert kinds(writer, cpu, gpu, writer) == [("engine", 4)]
    assert kinds(writer, other) == [("engine", 1), ("engine", 1)]


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
