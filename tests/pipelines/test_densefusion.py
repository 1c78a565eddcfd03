"""The recipe fits together, with and without its checks, and on the nano world."""

from curate.engines.cached import Cached
from curate.engines.openai_server import OpenAIServer
from curate.experts.dense_caption import DenseCaption
from curate.experts.repair_caption import RepairCaption
from curate.recipe import build, find_recipe
from curate.stages import stage_id
from filters.caption_clean import CaptionClean

NANO = [
    "vlm=nano/vlm",
    "clip=nano/clip/nano-clip.json",
    "clip_weights=nano/clip/nano-clip.safetensors",
    "detector=nano/detector/nano-yolo.pt",
    "lexicon=nano/lexicon.toml",
    "prompt=nano/prompts/describe.toml",
    "repair_prompt=nano/prompts/repair.toml",
    "verify_prompt=nano/prompts/verify.toml",
    "place=words",
    'allow_marks=["stock_opener"]',
    "min_side_px=200",
    "max_model_len=2048",
    "gpus=0",
    "gpus_for_perception=0",
]


def stage(kind, *assignments):
    pipeline, _ = build(find_recipe("densefusion"), list(assignments))
    pipeline.schema()
    return next((each for each in pipeline.stages if isinstance(each, kind)), None)


def test_perception_is_one_segment_and_all_that_writes_and_checks_another():
    pipeline, _ = build(find_recipe("densefusion"), [])
    perception, writing = pipeline.segments()
    assert perception.engine is None
    assert [type(each).__name__ for each in writing.experts] == [
        "DenseCaption",
        "VerifyObjects",
        "RepairCaption",
        "CaptionEvidence",
    ]


def test_boxes_are_written_as_the_family_of_the_model_wants_them():
    assert stage(DenseCaption).hints.place == "thousandths"
    assert stage(DenseCaption, "vlm=Qwen/Qwen2.5-VL-7B-Instruct").hints.place == "pixels"
    assert stage(DenseCaption, "place=fraction").hints.place == "fraction"


def test_without_checks_the_first_caption_is_judged():
    assert stage(RepairCaption, "check_captions=false") is None
    assert stage(CaptionClean, "check_captions=false").column == "caption_marks"
    assert stage(CaptionClean).column == "final_caption_marks"


def test_the_nano_world_is_a_matter_of_parameters():
    assert stage(DenseCaption, *NANO).prompt.id == "nano-describe-v1"


def test_the_writer_may_be_servers_behind_a_cache_which_is_no_identity(tmp_path):
    urls = '["http://a:8000/v1", "http://b:8000/v1"]'
    plain = stage(DenseCaption, f"servers={urls}")
    cached = stage(DenseCaption, f"servers={urls}", f"answers={tmp_path}/answers")
    assert isinstance(plain.engine, OpenAIServer)
    assert isinstance(cached.engine, Cached)
    assert stage_id(plain) == stage_id(cached)
