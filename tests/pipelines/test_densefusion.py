"""The recipe fits together, with and without its checks, and on the nano world."""

from curate.captions.checking.lexicon import read_lexicon
from curate.corpus.clusters import Clusters
from curate.engines.cached import Cached
from curate.engines.openai_server import OpenAIServer
from curate.experts.caption_evidence import CaptionEvidence
from curate.experts.caption_objects import CaptionObjects
from curate.experts.dense_caption import DenseCaption
from curate.experts.detector_files import is_transformers
from curate.experts.objects import Objects
from curate.experts.open_objects import OpenObjects
from curate.experts.repair_caption import RepairCaption
from curate.experts.tags import Tags
from curate.experts.verify_objects import VerifyObjects
from curate.models.needed import needed_of
from curate.recipe import build, find_recipe
from curate.stages import stage_id
from filters.caption_clean import CaptionClean
from filters.max_rank import MaxRank
from filters.max_semantic_cosine import MaxSemanticCosine
from filters.min_text_recall import MinTextRecall

NANO = [
    "engine.model=nano/vlm",
    "engine.gpus=0",
    "engine.max_model_len=2048",
    "clip.model=nano/clip/nano-clip.json",
    "clip.weights=nano/clip/nano-clip.safetensors",
    "clip.resources.gpus=0",
    "perception.detector.weights=nano/detector/nano-yolo.pt",
    "perception.detector.resources.gpus=0",
    "perception.tagger=none",
    "perception.open_detector=none",
    "evidence.detector_labels=[]",
    "evidence.lexicon=nano/lexicon.toml",
    "prompt=nano/prompts/describe.toml",
    "repair_caption.prompt=nano/prompts/repair.toml",
    "verify_objects.prompt=nano/prompts/verify.toml",
    "hints.place=words",
    "hints.marking=none",
    "checks.allow_marks=stock_opener",
    "min_side.minimum_px=200",
]


def stage(kind, *assignments):
    pipeline, _ = build(find_recipe("densefusion"), list(assignments))
    pipeline.schema()
    return next((each for each in pipeline.stages if isinstance(each, kind)), None)


def test_what_sits_on_cpus_on_gpus_and_in_the_writer_are_segments_of_their_own():
    pipeline, _ = build(find_recipe("densefusion"), [])
    *perception, writing = pipeline.segments()
    assert {each.kind for each in perception} == {"cpu", "gpu"}
    assert all(("Ocr" in map(_name, each.experts)) <= (each.kind == "cpu") for each in perception)
    assert [_name(each) for each in writing.experts] == [
        "DenseCaption",
        "CaptionObjects",
        "VerifyObjects",
        "RepairCaption",
        "CaptionEvidence",
    ]


def _name(expert):
    return type(expert).__name__


def test_boxes_are_written_as_the_family_of_the_model_wants_them():
    assert stage(DenseCaption).hints.place == "thousandths"
    assert stage(DenseCaption, "engine.model=Qwen/Qwen2.5-VL-7B-Instruct").hints.place == "pixels"
    assert stage(DenseCaption, "hints.place=fraction").hints.place == "fraction"


def test_without_checks_the_first_caption_is_judged():
    assert stage(RepairCaption, "checks.repair=false") is None
    assert stage(CaptionClean, "checks.repair=false").column == "caption_marks"
    assert stage(CaptionClean).column == "final_caption_marks"


def test_the_nano_world_is_a_matter_of_parameters():
    assert stage(DenseCaption, *NANO).prompt.id == "nano-describe-v1"
    repair = stage(RepairCaption, *NANO)
    assert (repair.made_by.id, repair.allow, repair.hints.place) == ("nano-describe-v1", ("stock_opener",), "words")
    assert (
        repair.evidence.lexicon == stage(CaptionEvidence, *NANO).evidence.lexicon == read_lexicon("nano/lexicon.toml")
    )


def test_a_bound_on_quoted_text_is_a_filter_more():
    assert stage(MinTextRecall) is None
    assert stage(MinTextRecall, "checks.min_text_recall=0.3") == MinTextRecall(0.3, "final_caption")


def test_the_writer_may_be_servers_behind_a_cache_which_is_no_identity(tmp_path):
    servers = "engine.servers=http://a:8000/v1,http://b:8000/v1"
    plain = stage(DenseCaption, servers)
    cached = stage(DenseCaption, servers, f"engine.cache={tmp_path}/answers")
    assert isinstance(plain.engine, OpenAIServer)
    assert isinstance(cached.engine, Cached)
    assert stage_id(plain) == stage_id(cached)


def looking(*assignments):
    pipeline, _ = build(find_recipe("densefusion"), list(assignments))
    pipeline.schema()
    names = [type(each).__name__ for each in pipeline.stages]
    return names[names.index("Clip") : names.index("DenseCaption")]


def test_what_may_share_a_gpu_stands_together_after_the_cheap_filters_and_before_the_ocr():
    assert looking("selection=none") == [
        "Clip",
        "MinClipScore",
        "Objects",
        "Tags",
        "OpenObjects",
        "Ocr",
        "TextCommands",
    ]


def test_the_papers_choice_of_images_stands_between_clip_and_what_looks_closer():
    names = looking()
    assert names[: names.index("Objects")] == [
        "Clip",
        "MinClipScore",
        "Clusters",
        "SemanticDuplicates",
        "MaxSemanticCosine",
        "RankFraction",
        "MaxRank",
    ]
    chosen = [stage(kind) for kind in (Clusters, MaxSemanticCosine, MaxRank)]
    assert [chosen[0].clusters, chosen[1].maximum, chosen[2].maximum] == [50_000, 0.6, 20]
    assert stage(Clusters, "selection.clusters=1000").clusters == 1000


def test_hints_and_evidence_hear_fixed_classes_open_names_and_tags():
    assert stage(DenseCaption).needs[:3] == ("alt_text", "objects", "open_objects")
    assert set(stage(CaptionEvidence).needs) >= {"objects", "open_objects", "open_objects_asked", "tags"}
    assert "tags" in stage(DenseCaption, "hints.blocks=objects,tags").needs


def test_without_the_open_detector_or_the_tagger_the_rest_fits():
    alone = ("perception.tagger=none", "perception.open_detector=none")
    assert stage(DenseCaption, *alone).hints.object_columns == ("objects",)
    assert stage(CaptionEvidence, *alone).evidence.columns.needs == ()
    assert stage(OpenObjects, "perception.tagger=none").sources == ("alt_text",)
    assert stage(CaptionEvidence, "perception.tagger=none").evidence.columns.tags is None
    assert stage(CaptionObjects, *alone) is None


def test_the_open_detector_is_asked_again_for_what_nobody_saw_before_the_caption_is_judged():
    first, again = stage(OpenObjects), stage(CaptionObjects)
    assert again.detector == first
    assert again.evidence.columns.objects == ("open_objects",)
    for kind in (VerifyObjects, RepairCaption, CaptionEvidence):
        assert stage(kind).evidence.columns.objects == ("open_objects", "caption_objects")
        assert stage(kind, "checks.look_again=false").evidence.columns.objects == ("open_objects",)
    assert stage(CaptionObjects, "checks.look_again=false") is None


def test_pixels_are_chosen_by_what_all_detectors_saw_before_the_writer():
    assert stage(DenseCaption).budget.object_columns == ("objects", "open_objects")
    assert stage(DenseCaption, "perception.open_detector=none").budget.object_columns == ("objects",)


def test_a_permissive_run_needs_nothing_of_ultralytics_and_keeps_what_was_permissive_already():
    pipeline, _ = build(find_recipe("densefusion"), ["perception.permissive=true"])
    pipeline.schema()
    needed = [one for each in pipeline.stages for one in needed_of(each)]
    assert len(needed) > 3
    assert [one for one in needed if not one.is_permissive()] == []
    assert stage(Tags, "perception.permissive=true") is None
    assert is_transformers(stage(OpenObjects, "perception.permissive=true").weights)
    own = ("perception.permissive=true", "perception.detector.weights=facebook/detr-resnet-50")
    assert stage(Objects, *own).weights.where == "facebook/detr-resnet-50"
