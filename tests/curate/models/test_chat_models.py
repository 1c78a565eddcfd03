import json

import pytest

from curate.models.chat_models import FAMILIES, UNKNOWN, chat_facts, without_thoughts
from curate.models.image_sizes import Patches, RowPatches, Splits, Tiles


@pytest.mark.parametrize(
    ("name", "family"),
    [
        ("Qwen/Qwen3-VL-8B-Instruct", "Qwen3-VL"),
        ("Qwen/Qwen3-VL-30B-A3B-Instruct-FP8", "Qwen3-VL"),
        ("Qwen/Qwen3-VL-8B-Thinking", "Qwen3-VL-Thinking"),
        ("Qwen/Qwen3.5-9B", "Qwen3.5"),
        ("Qwen/Qwen3.6-35B-A3B", "Qwen3.5"),
        ("Qwen/Qwen2.5-VL-7B-Instruct-AWQ", "Qwen2.5-VL"),
        ("qwen2_5_vl_7b", "Qwen2.5-VL"),
        ("Qwen/Qwen2-VL-2B-Instruct", "Qwen2-VL"),
        ("Qwen/QVQ-72B-Preview", "Qwen2-VL"),
        ("OpenGVLab/InternVL3-8B", "InternVL"),
        ("OpenGVLab/InternVL3_5-8B", "InternVL"),
        ("OpenGVLab/InternVL2_5-8B-MPO", "InternVL"),
        ("llava-hf/llava-onevision-qwen2-7b-ov-hf", "LLaVA-OneVision"),
        ("HuggingFaceTB/SmolVLM2-2.2B-Instruct", "SmolVLM2 2.2B"),
        ("HuggingFaceTB/SmolVLM2-500M-Video-Instruct", "SmolVLM"),
        ("google/gemma-3-12b-it", "Gemma 3"),
        ("google/gemma-3n-E4B-it", "unknown"),
        ("google/gemma-4-31B-it", "Gemma 4"),
        ("mistralai/Mistral-Small-3.2-24B-Instruct-2506", "Mistral 3"),
        ("mistral-community/pixtral-12b", "Pixtral"),
        ("zai-org/GLM-4.1V-9B-Thinking", "GLM-4.1V"),
        ("zai-org/GLM-4.5V", "GLM-V"),
        ("Qwen/Qwen3-8B", "unknown"),
        ("gpt-4o", "unknown"),
    ],
)
def test_a_name_tells_its_family(name, family):
    assert chat_facts(name).family == family


def folder(tmp_path, config, **files):
    (tmp_path / "config.json").write_text(json.dumps(config))
    for name, content in files.items():
        (tmp_path / f"{name}.json").write_text(json.dumps(content))
    return str(tmp_path)


def test_a_folder_is_what_its_config_says_whatever_its_name(tmp_path):
    (tmp_path / "Qwen2.5-VL").mkdir()
    assert chat_facts(folder(tmp_path / "Qwen2.5-VL", {"model_type": "qwen3_vl"})).family == "Qwen3-VL"


@pytest.mark.parametrize(
    ("config", "processor", "sizes"),
    [
        (
            {"model_type": "qwen3_vl"},
            {"patch_size": 14, "merge_size": 2, "size": {"shortest_edge": 3136, "longest_edge": 100352}},
            Patches(28, 3136, 100352),
        ),
        ({"model_type": "qwen2_vl"}, {"min_pixels": 784, "max_pixels": 78400}, Patches(28, 784, 78400)),
        ({"model_type": "internvl_chat", "max_dynamic_patch": 6}, {}, Tiles(448, 256, 6)),
        (
            {"model_type": "mistral3", "spatial_merge_size": 2, "vision_config": {"patch_size": 14}},
            {"size": {"longest_edge": 980}, "patch_size": {"height": 14, "width": 14}},
            RowPatches(28, 980),
        ),
        (
            {"model_type": "llava", "vision_config": {"model_type": "pixtral", "patch_size": 16}},
            {"size": {"longest_edge": 1024}},
            RowPatches(16, 1024),
        ),
        (
            {"model_type": "smolvlm"},
            {"size": {"longest_edge": 1536}, "max_image_size": {"longest_edge": 384}, "image_seq_len": 81},
            Splits(384, 81, 1536),
        ),
    ],
)
def test_sizes_are_those_of_the_folders_own_processor(tmp_path, config, processor, sizes):
    assert chat_facts(folder(tmp_path, config, preprocessor_config=processor)).images == sizes


def test_the_nano_model_is_a_qwen_of_its_own_size():
    facts = chat_facts("nano/vlm")
    assert (facts.family, facts.images) == ("Qwen2.5-VL", Patches(28, 112**2, 336**2))


@pytest.mark.parametrize("content", ["", "[]", "{", '{"model_type": 3}', '{"model_type": "resnet"}'])
def test_a_config_that_says_nothing_gives_the_safe_default(tmp_path, content):
    (tmp_path / "config.json").write_text(content)
    assert chat_facts(str(tmp_path)) == UNKNOWN


def test_a_checkpoint_that_always_thinks_shows_it_in_its_template(tmp_path):
    template = "{%- if add_generation_prompt %}{{- '<|im_start|>assistant\\n<think>\\n' }}{%- endif %}"
    (tmp_path / "chat_template.jinja").write_text(template)
    assert chat_facts(folder(tmp_path, {"model_type": "qwen3_vl"})).thinking == "always"


@pytest.mark.parametrize(
    ("text", "thinking", "answer"),
    [
        ("A sign says </think>.", "no", "A sign says </think>."),
        ("<think>\nIs it a dog?\n</think>\n\nA dog.", "no", "A dog."),
        ("  <think>cut short", "no", ""),
        ("Is it a dog?</think>A dog.", "always", "A dog."),
        ("Is it a dog? Or a", "always", ""),
        ("A dog.", "switch", "A dog."),
        ("<think>\n\n</think>\n\nA dog.", "switch", "A dog."),
        ("It is.</think><answer>A dog.</answer>", "always", "A dog."),
        ("", "no", ""),
    ],
)
def test_only_the_answer_is_left_of_a_completion(text, thinking, answer):
    assert without_thoughts(text, thinking) == answer


def test_no_two_families_share_a_name_or_a_type():
    types = [kind for facts in FAMILIES for kind in facts.types]
    assert len(types) == len(set(types))
    assert len(FAMILIES) == len({facts.family for facts in FAMILIES})
