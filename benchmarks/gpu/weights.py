"""Checkpoints with random weights of true architectures, made once per machine under a work folder.

A figure about speed needs no trained weights, but it does need every layer: sizes are those that the models' own
configurations on the hub state (Qwen/Qwen2.5-VL-7B-Instruct, Qwen/Qwen3-VL-8B-Instruct), or tiny ones. Each is made by
`python -m benchmarks.gpu.weights NAME FOLDER`, a process of its own, so that no step inherits its memory.
"""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from benchmarks.gpu.inputs import appear
from nano.train.template import SPECIAL, TEMPLATE

__all__ = ["CHAT_MODELS", "PROSE", "chat_model", "clip_weights", "detector_weights"]

PROSE: Final = (
    "Describe the image in detail, the objects and where they are, their colours and the text that can be read. "
    "You are given hints by other models, which may be wrong; write what you see, in plain sentences, and no more. "
)
TEXT_7B: Final = {
    "hidden_size": 3584,
    "intermediate_size": 18944,
    "num_hidden_layers": 28,
    "num_attention_heads": 28,
    "num_key_value_heads": 4,
    "vocab_size": 152064,
    "max_position_embeddings": 32768,
    "rope_parameters": {"rope_type": "default", "mrope_section": [16, 24, 24], "rope_theta": 1e6},
}
VISION_7B: Final = {
    "depth": 32,
    "hidden_size": 1280,
    "intermediate_size": 3420,
    "num_heads": 16,
    "out_hidden_size": 3584,
    "fullatt_block_indexes": [7, 15, 23, 31],
}
TEXT_8B: Final = {
    "hidden_size": 4096,
    "intermediate_size": 12288,
    "num_hidden_layers": 36,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "head_dim": 128,
    "vocab_size": 151936,
    "max_position_embeddings": 32768,
    "rope_parameters": {
        "rope_type": "default",
        "mrope_section": [24, 20, 20],
        "mrope_interleaved": True,
        "rope_theta": 5e6,
    },
}
VISION_8B: Final = {"out_hidden_size": 4096, "deepstack_visual_indexes": [8, 16, 24]}
TINY_TEXT: Final = {
    "hidden_size": 256,
    "intermediate_size": 512,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "vocab_size": 4000,
    "max_position_embeddings": 8192,
}
TINY_VISION: Final = {"depth": 2, "hidden_size": 128, "intermediate_size": 256, "num_heads": 2, "out_hidden_size": 256}
CHAT_MODELS: Final[Mapping[str, tuple[str, Mapping[str, Any], Mapping[str, Any]]]] = {
    "qwen2.5-vl-7b": ("Qwen2_5_VL", TEXT_7B, VISION_7B),
    "qwen3-vl-8b": ("Qwen3VL", TEXT_8B, VISION_8B),
    "qwen2.5-vl-tiny": (
        "Qwen2_5_VL",
        {**TINY_TEXT, "rope_parameters": {"rope_type": "default", "mrope_section": [8, 12, 12], "rope_theta": 1e6}},
        {**TINY_VISION, "fullatt_block_indexes": [1]},
    ),
    "qwen3-vl-tiny": (
        "Qwen3VL",
        {
            **TINY_TEXT,
            "head_dim": 64,
            "rope_parameters": {**TEXT_8B["rope_parameters"], "mrope_section": [12, 10, 10]},
        },
        {**TINY_VISION, "deepstack_visual_indexes": [0]},
    ),
}
"""By name: the prefix of its classes in transformers, and where its language and vision configs differ from theirs."""


def chat_model(name: str, work: Path) -> Path:
    """Return the folder of a vision-language model with random bf16 weights, as vLLM and transformers load it."""
    return _made(name, work / name)


def clip_weights(name: str, work: Path) -> Path:
    """Return a safetensors file of random weights for a model that open_clip knows by name."""
    return _made(f"clip:{name}", work / f"{name}.safetensors")


def detector_weights(name: str, work: Path) -> Path:
    """Return a checkpoint of random weights for an architecture that ultralytics knows by name, such as yolo11x."""
    return _made(f"detector:{name}", work / f"{name}-random.pt")


def _made(name: str, place: Path) -> Path:
    if not place.exists():
        place.parent.mkdir(parents=True, exist_ok=True)
        subprocess.run([sys.executable, "-m", "benchmarks.gpu.weights", name, str(place)], check=True)
    return place


def _make(name: str, place: Path) -> None:
    """Write a checkpoint so that it appears whole or not at all."""
    import torch

    torch.manual_seed(0)
    part = place.with_name(f"part-{os.getpid()}-{place.name}")
    kind, _, model = name.rpartition(":")
    if kind == "clip":
        import open_clip
        from safetensors.torch import save_file

        save_file(open_clip.create_model(model).state_dict(), part)
    elif kind == "detector":
        from ultralytics import YOLO

        YOLO(f"{model}.yaml", task="detect").save(part)
    else:
        _make_chat_model(model, part)
    appear(part, place)


def _make_chat_model(name: str, folder: Path) -> None:
    import torch
    import transformers

    prefix, text, vision = CHAT_MODELS[name]
    tokenizer = _tokenizer(text["vocab_size"])
    ids = {token: tokenizer.convert_tokens_to_ids(token) for token in SPECIAL}
    config = getattr(transformers, f"{prefix}Config")(
        text_config={**text, "bos_token_id": ids["<|endoftext|>"], "eos_token_id": ids["<|im_end|>"]},
        vision_config=vision,
        image_token_id=ids["<|image_pad|>"],
        video_token_id=ids["<|video_pad|>"],
        vision_start_token_id=ids["<|vision_start|>"],
        vision_end_token_id=ids["<|vision_end|>"],
        tie_word_embeddings=False,
    )
    with torch.device("cuda" if torch.cuda.is_available() else "cpu"):
        model = transformers.AutoModelForImageTextToText.from_config(config, dtype=torch.bfloat16)
    with torch.no_grad():
        model.lm_head.weight[list(ids.values())] = 0  # never the most likely token: every answer has full length
    model.generation_config = transformers.GenerationConfig(
        eos_token_id=ids["<|im_end|>"], pad_token_id=ids["<|endoftext|>"]
    )
    model.save_pretrained(folder, max_shard_size="4GB")
    _processor(prefix, tokenizer).save_pretrained(folder)


def _tokenizer(words: int) -> Any:
    """Return a byte-level BPE of `words` tokens: those of our prompts, and as many made-up words as are missing."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    alphabet = pre_tokenizers.ByteLevel.alphabet()
    learner = Tokenizer(models.BPE())
    learner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    learner.train_from_iterator(
        [PROSE] * 10, trainers.BpeTrainer(vocab_size=1000, special_tokens=SPECIAL, initial_alphabet=alphabet)
    )
    learned = json.loads(learner.to_str())["model"]
    vocabulary = dict(learned["vocab"])
    vocabulary |= {f"\u0120word{number}": number for number in range(len(vocabulary), words)}  # U+0120: a blank
    model = Tokenizer(models.BPE(vocab=vocabulary, merges=[tuple(pair) for pair in learned["merges"]]))
    model.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    model.decoder = decoders.ByteLevel()
    return PreTrainedTokenizerFast(
        tokenizer_object=model,
        eos_token="<|im_end|>",
        pad_token="<|endoftext|>",
        additional_special_tokens=SPECIAL[3:],
    )


def _processor(prefix: str, tokenizer: Any) -> Any:
    import transformers

    patch, videos = (16, "Qwen3VL") if prefix == "Qwen3VL" else (14, "Qwen2VL")
    unit = (2 * patch) ** 2  # px of one token
    images = transformers.Qwen2VLImageProcessor(patch_size=patch, min_pixels=4 * unit, max_pixels=4096 * unit)
    return getattr(transformers, f"{prefix}Processor")(
        image_processor=images,
        tokenizer=tokenizer,
        video_processor=getattr(transformers, f"{videos}VideoProcessor")(),
        chat_template=TEMPLATE,
    )


if __name__ == "__main__":
    _make(sys.argv[1], Path(sys.argv[2]))
