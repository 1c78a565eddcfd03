import pytest

from curate.errors import PlanError
from curate.experts.blind_answers import BlindAnswers
from curate.experts.caption_qa import CaptionQA
from curate.recipe import build, find_recipe

NANO = [
    "engine.model=nano/vlm", "engine.gpus=0", "engine.max_model_len=2048",
    "detector.weights=nano/detector/nano-yolo.pt", "detector.image_size_px=320", "longest_side_px=336",
    "caption_qa.lexicon=nano/lexicon.toml",
    "phrases=nano/questions.toml", "written=false", "blind_answers.grey=vlm",
    'blind_answers.prompt={"id": "bare-v1", "text": "", "examples": []}',
]  # fmt: skip


def stages(*assignments):
    pipeline, _ = build(find_recipe("caption_qa"), list(assignments))
    pipeline.schema()
    return pipeline


def stage(pipeline, kind):
    return next(one for one in pipeline.stages if isinstance(one, kind))


def test_the_defaults_fit_and_one_engine_makes_one_segment_of_all_texts():
    pipeline = stages()
    names = [[type(one).__name__ for one in segment.experts] for segment in pipeline.segments()]
    assert names[-1] == ["DenseCaption", "CaptionQA", "BlindAnswers", "SelectQuestions"]
    assert stage(pipeline, BlindAnswers).engine == stage(pipeline, CaptionQA).engine


def test_the_nano_world_is_a_matter_of_parameters():
    pipeline = stages(*NANO)
    pipeline.check()
    assert stage(pipeline, CaptionQA).templates.phrases.id == "nano-questions-v1"
    assert stage(pipeline, BlindAnswers).grey == ("vlm",)
    assert stage(pipeline, BlindAnswers).prompt.fill("1 + 1?") == "1 + 1?"


def test_blind_models_are_servers_and_are_asked_the_same_way():
    models = (
        '[{"model": "org/big", "servers": ["http://a:8000/v1"]}, {"model": "org/b", "servers": ["http://b:8000/v1"]}]'
    )
    pipeline = stages(f"blind={models}", "label=metadata.label")
    blind = stage(pipeline, BlindAnswers)
    assert [engine.name for engine in blind.engines] == ["org/big", "org/b"]
    assert blind.phrases == stage(pipeline, CaptionQA).templates.phrases
    assert blind.verifiers == stage(pipeline, CaptionQA).verifiers
    assert "labelled_outcome" in pipeline.schema().names


def test_a_bad_blind_model_is_named():
    with pytest.raises(PlanError, match="url must look like http://host:8000/v1"):
        stages('blind=[{"model": "org/big", "servers": ["a:8000/v1"]}]')
