"""Nothing is dropped on the word of a judge that was not measured."""

import pytest

from curate.errors import PlanError
from curate.experts.caption_gate import CaptionGate
from curate.experts.caption_judge import CaptionJudge
from curate.experts.dense_caption import DenseCaption
from curate.recipe import build, find_recipe
from curate.stages import stage_id


def stages(*assignments):
    pipeline, _ = build(find_recipe("sail_caption"), list(assignments))
    pipeline.schema()
    return {type(one): one for one in pipeline.stages}


def test_without_a_judge_of_its_own_the_writer_judges_in_the_same_engine():
    both = stages("engine.model=my/vlm")
    assert both[CaptionJudge].engine == both[DenseCaption].engine
    pipeline, _ = build(find_recipe("sail_caption"), [])
    assert len([segment for segment in pipeline.segments() if segment.engine]) == 1


def test_a_judge_of_its_own_is_another_engine_and_the_gate_knows_it():
    both = stages("judge.model=my/judge", "judge.servers=http://a/v1")
    assert both[CaptionJudge].engine != both[DenseCaption].engine
    assert both[CaptionGate].judge == stage_id(both[CaptionJudge])


def test_the_gate_stays_shut_without_a_calibration():
    with pytest.raises(PlanError, match="no caption may be dropped on the word of caption_judge"):
        stages()[CaptionGate].check()
    stages("uncalibrated=true")[CaptionGate].check()
