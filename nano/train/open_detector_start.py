"""Turn the nano CLIP into an OWLv2 that has not learned to detect yet, as OWL-ViT starts from a CLIP.

Both towers are the CLIP's, to the bit. Its text projection (64 to 128 numbers) has rank 64, so it is replaced by the
square part of its QR decomposition, because OWLv2 wants text vectors as wide as its text tower: the cosine of two texts
stays what it was. The tokenizer keeps of CLIP's 49,408 tokens the letters and what the words of this world are made of;
a word from elsewhere is spelt.
"""

import json
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from open_clip.tokenizer import SimpleTokenizer
from safetensors.torch import load_file
from transformers import CLIPTokenizer, Owlv2Config, Owlv2ForObjectDetection, Owlv2ImageProcessor

from nano.world.vocabulary import BACKGROUNDS, COLOURS, NAMES, PLURALS

__all__ = ["CLIP", "image_processor", "start", "tokenizer"]

CLIP: Final = Path("nano/clip")
CONTEXT: Final = 16  # tokens of a name in its sentence
SHIFT, SCALE = -0.7, 10.0  # logit = SCALE * (cosine + SHIFT): what matches is near 0, all else far below
SPECIAL: Final = ("<|startoftext|>", "<|endoftext|>")
WORDS: Final = (
    *("a", "an", "the", "of", "on", "in", "and", "photo", "picture", "image", "pair"),
    *("sign", "pattern", "background", "object", "thing"),
)
Weights = Mapping[str, torch.Tensor]


def image_processor() -> Any:
    """Return the processor that fits an image into the square of the CLIP's side."""
    side = json.loads((CLIP / "nano-clip.json").read_text())["vision_cfg"]["image_size"]
    return Owlv2ImageProcessor(size={"height": side, "width": side})


def tokenizer() -> tuple[Any, list[int]]:
    """Return the small tokenizer, and which tokens of CLIP's its own are, in its order."""
    whole = SimpleTokenizer()
    ranks = whole.bpe_ranks
    used: set[tuple[str, str]] = set()
    words = {*WORDS, *BACKGROUNDS, *(word for text in (*NAMES, *PLURALS.values(), *COLOURS) for word in text.split())}
    for word in sorted(words):
        used |= _merges(word, ranks)
    merges = sorted(used, key=ranks.__getitem__)
    letters = [token for token, number in whole.encoder.items() if number < 512]
    tokens = [*letters, *("".join(pair) for pair in merges), *SPECIAL]
    special = {SPECIAL[0]: "<start_of_text>", SPECIAL[1]: "<end_of_text>"}  # open_clip's names for them
    numbers = [whole.encoder[special.get(token, token)] for token in tokens]
    small = CLIPTokenizer(vocab={token: i for i, token in enumerate(tokens)}, merges=merges)
    small.model_max_length = CONTEXT
    return small, numbers


def _merges(word: str, ranks: Mapping[tuple[str, str], int]) -> set[tuple[str, str]]:
    """Return the merges that byte-pair encoding makes in a word."""
    parts, used = [*word[:-1], f"{word[-1]}</w>"], set()
    while pairs := [pair for pair in pairwise(parts) if pair in ranks]:
        best = min(pairs, key=ranks.__getitem__)
        used.add(best)
        merged: list[str] = []
        for part in parts:
            if merged and (merged[-1], part) == best:
                merged[-1] += part
            else:
                merged.append(part)
        parts = merged
    return used


def start() -> tuple[Any, Any]:
    """Return OWLv2 with the CLIP's towers and fresh heads, and its tokenizer."""
    torch.manual_seed(0)
    small, numbers = tokenizer()
    shape = json.loads((CLIP / "nano-clip.json").read_text())
    model = Owlv2ForObjectDetection(_config(shape, small))
    clip = {name: value.float() for name, value in load_file(CLIP / "nano-clip.safetensors").items()}
    basis, square = np.linalg.qr(clip["text_projection"].T.numpy())
    weights = {
        **_tower(clip, "", "owlv2.text_model."),
        **_tower(clip, "visual.", "owlv2.vision_model."),
        **_embeddings(clip, numbers),
        "owlv2.logit_scale": clip["logit_scale"],
        "owlv2.text_projection.weight": torch.from_numpy(square),
        "owlv2.visual_projection.weight": (clip["visual.proj"] @ torch.from_numpy(basis)).T.contiguous(),
    }
    missing, unknown = model.load_state_dict(weights, strict=False)
    if unknown or any(name.startswith("owlv2.") for name in missing):
        raise ValueError(f"the CLIP does not fit OWLv2: missing {missing}, unknown {unknown}")
    _head(model, weights["owlv2.visual_projection.weight"])
    return model, small


def _config(shape: Mapping[str, Any], small: Any) -> Owlv2Config:
    vision, text = shape["vision_cfg"], shape["text_cfg"]
    towers = {
        "vision_config": {
            "image_size": vision["image_size"],
            "patch_size": vision["patch_size"],
            "num_attention_heads": vision["width"] // vision["head_width"],
        },
        "text_config": {
            "vocab_size": len(small),
            "max_position_embeddings": CONTEXT,
            "num_attention_heads": text["heads"],
            "bos_token_id": small.bos_token_id,
            "eos_token_id": small.eos_token_id,
            "pad_token_id": 0,
        },
    }
    for name, part in (("vision_config", vision), ("text_config", text)):
        towers[name] |= {
            "hidden_size": part["width"],
            "intermediate_size": 4 * part["width"],
            "num_hidden_layers": part["layers"],
            "hidden_act": "gelu",
        }
    return Owlv2Config(**towers, projection_dim=text["width"])


def _tower(clip: Weights, source: str, target: str) -> dict[str, torch.Tensor]:
    """Return the layers of a tower under transformers' names; queries, keys and values are three matrices there."""
    names = {"ln_1": "layer_norm1", "ln_2": "layer_norm2", "mlp.c_fc": "mlp.fc1", "mlp.c_proj": "mlp.fc2"}
    names["attn.out_proj"] = "self_attn.out_proj"
    found: dict[str, torch.Tensor] = {}
    for name, value in clip.items():
        path = name.removeprefix(f"{source}transformer.resblocks.")
        if path == name:
            continue
        number, rest = path.split(".", 1)
        layer = f"{target}encoder.layers.{number}."
        if "in_proj" in rest:
            kind = rest.rpartition("_")[2]
            for part, chunk in zip("qkv", value.chunk(3), strict=True):
                found[f"{layer}self_attn.{part}_proj.{kind}"] = chunk
        else:
            part, _, kind = rest.rpartition(".")
            found[f"{layer}{names[part]}.{kind}"] = value
    return found


def _embeddings(clip: Weights, numbers: list[int]) -> dict[str, torch.Tensor]:
    norms = {"ln_final": "text_model.final_layer_norm", "visual.ln_pre": "vision_model.pre_layernorm"}
    norms["visual.ln_post"] = "vision_model.post_layernorm"
    text, vision = "owlv2.text_model.embeddings.", "owlv2.vision_model.embeddings."
    return {
        **{f"owlv2.{new}.{kind}": clip[f"{old}.{kind}"] for old, new in norms.items() for kind in ("weight", "bias")},
        f"{text}token_embedding.weight": clip["token_embedding.weight"][numbers],
        f"{text}position_embedding.weight": clip["positional_embedding"][:CONTEXT],
        f"{vision}class_embedding": clip["visual.class_embedding"],
        f"{vision}patch_embedding.weight": clip["visual.conv1.weight"],
        f"{vision}position_embedding.weight": clip["visual.positional_embedding"],
    }


def _head(model: Any, projection: torch.Tensor) -> None:
    """Start the heads in place: classes where the CLIP's own projection stands, boxes at their place in the grid.

    transformers draws them so wide that all logits and boxes begin at their ends.
    """
    head, boxes = model.class_head, model.box_head
    for layer in (boxes.dense0, boxes.dense1):
        layer.reset_parameters()
    with torch.no_grad():
        head.dense0.weight.copy_(projection)
        for layer, bias in ((head.logit_shift, SHIFT), (head.logit_scale, SCALE - 1), (boxes.dense2, 0.0)):
            layer.weight.zero_()
            layer.bias.fill_(bias)
        head.dense0.bias.zero_()
