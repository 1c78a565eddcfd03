"""Build the nano VLM: configuration, tokenizer, processor files and a fast batched training pass.

The weights live in the ordinary `Qwen2_5_VLForConditionalGeneration`. `encode_images` and `answer_loss` compute the
same thing as its forward pass for batches in which every image has the same grid; `python -m nano.train.vlm_model`
checks that they agree.
"""

import functools
import random
from collections.abc import Callable, Iterator
from pathlib import Path

import torch
import torch.nn.functional as F
from PIL import Image
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import (
    PreTrainedTokenizerFast,
    Qwen2_5_VLConfig,
    Qwen2_5_VLForConditionalGeneration,
    Qwen2_5_VLProcessor,
    Qwen2VLImageProcessor,
    Qwen2VLVideoProcessor,
)

from nano.train.packing import Rows, Tokens, pack
from nano.train.template import SPECIAL, TEMPLATE
from nano.world.scenes import make_scene
from nano.world.tasks import EXTRAS, draw_tasks, make_turn
from nano.world.vocabulary import SIGN_WORDS

CELL, PATCH = 28, 14
MEAN, STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
HEADS, KV_HEADS, HEAD_DIM, SECTIONS, THETA = 4, 2, 64, (8, 12, 12), 10000.0


def tokenizer_texts(seed: int, scenes: int) -> Iterator[str]:
    """Yield the task texts of random scenes, and every sign word in each case."""
    rng = random.Random(seed)
    for i in range(scenes):
        _, scene = make_scene(700_000_000 + i, (224, 224))
        for task in draw_tasks(rng, 6):
            turn = make_turn(scene, rng, task)
            yield f"{turn.system or ''}\nuser\n{turn.user}\nassistant\n{turn.answer}"
    yield " ".join(EXTRAS)
    for word in SIGN_WORDS * 3:
        yield f'"{word.upper()} {word.upper()}" "{word.title()} {word.title()}" "{word} {word}"'


def build_tokenizer(seed: int = 0, scenes: int = 3000, vocab: int = 4000) -> PreTrainedTokenizerFast:
    """Train a byte-level BPE on the task texts of random scenes."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab,
        special_tokens=SPECIAL,
        show_progress=False,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
    )
    tokenizer.train_from_iterator(tokenizer_texts(seed, scenes), trainer)
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        eos_token="<|im_end|>",
        pad_token="<|endoftext|>",
        additional_special_tokens=SPECIAL[3:],
    )
    fast.chat_template = TEMPLATE
    return fast


def build_config(tokenizer: PreTrainedTokenizerFast) -> Qwen2_5_VLConfig:
    """Describe about 13 M parameters; every vision block attends over the whole image."""
    ids = {token: tokenizer.convert_tokens_to_ids(token) for token in SPECIAL}
    text = {
        "vocab_size": len(tokenizer),
        "hidden_size": 256,
        "intermediate_size": 704,
        "num_hidden_layers": 8,
        "num_attention_heads": HEADS,
        "num_key_value_heads": KV_HEADS,
        "max_position_embeddings": 4096,
        "rope_parameters": {"rope_type": "default", "mrope_section": list(SECTIONS), "rope_theta": THETA},
        "bos_token_id": ids[SPECIAL[0]],
        "eos_token_id": ids["<|im_end|>"],
        "tie_word_embeddings": True,
        "rms_norm_eps": 1e-6,
    }
    vision = {
        "depth": 6,
        "hidden_size": 256,
        "intermediate_size": 640,
        "num_heads": 4,
        "out_hidden_size": 256,
        "fullatt_block_indexes": list(range(6)),
        "patch_size": PATCH,
        "window_size": 112,
        "spatial_merge_size": 2,
    }
    return Qwen2_5_VLConfig(
        text_config=text,
        vision_config=vision,
        tie_word_embeddings=True,
        image_token_id=ids["<|image_pad|>"],
        video_token_id=ids["<|video_pad|>"],
        vision_start_token_id=ids["<|vision_start|>"],
        vision_end_token_id=ids["<|vision_end|>"],
    )


def new_model(
    seed: int = 0, tokenizer_dir: Path | None = None
) -> tuple[Qwen2_5_VLForConditionalGeneration, PreTrainedTokenizerFast]:
    """Return fresh weights, and a freshly trained tokenizer unless a folder with one is given."""
    tokenizer = PreTrainedTokenizerFast.from_pretrained(tokenizer_dir) if tokenizer_dir else build_tokenizer()
    torch.manual_seed(seed)
    return Qwen2_5_VLForConditionalGeneration(build_config(tokenizer)), tokenizer


def load_model(path: Path) -> tuple[Qwen2_5_VLForConditionalGeneration, PreTrainedTokenizerFast]:
    """Load a saved folder in float32."""
    model = Qwen2_5_VLForConditionalGeneration.from_pretrained(path, dtype=torch.float32)
    return model, PreTrainedTokenizerFast.from_pretrained(path)


def image_processor() -> Qwen2VLImageProcessor:
    """Return the processor that scales images to 16-144 cells of 28 px."""
    return Qwen2VLImageProcessor(min_pixels=16 * CELL * CELL, max_pixels=144 * CELL * CELL)


def save_model(model: Qwen2_5_VLForConditionalGeneration, tokenizer: PreTrainedTokenizerFast, out: Path) -> None:
    """Write a normal Hugging Face folder in bf16 with tokenizer, chat template and processor files."""
    out.mkdir(parents=True, exist_ok=True)
    model.generation_config.eos_token_id = tokenizer.convert_tokens_to_ids("<|im_end|>")
    model.generation_config.pad_token_id = tokenizer.convert_tokens_to_ids("<|endoftext|>")
    model.to("cpu", torch.bfloat16).save_pretrained(out)
    Qwen2_5_VLProcessor(
        image_processor=image_processor(),
        tokenizer=tokenizer,
        video_processor=Qwen2VLVideoProcessor(),
        chat_template=TEMPLATE,
    ).save_pretrained(out)


def rotate(x: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor) -> torch.Tensor:
    """Apply a rotary embedding on the last axis."""
    a, b = x.chunk(2, -1)
    return x * cos + torch.cat((-b, a), -1) * sin


def norm(x: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """Apply RMS norm in the working precision (the kernel accumulates in float32)."""
    return F.rms_norm(x, weight.shape, weight.to(x.dtype), 1e-6)


def vision_block(x: torch.Tensor, block: torch.nn.Module, cos: torch.Tensor, sin: torch.Tensor) -> torch.Tensor:
    """Run one vision layer over [batch, tokens, width]."""
    b, n, width = x.shape
    qkv = block.attn.qkv(norm(x, block.norm1.weight)).view(b, n, 3, -1, HEAD_DIM).permute(2, 0, 3, 1, 4)
    q, k = rotate(qkv[0], cos, sin), rotate(qkv[1], cos, sin)
    x = x + block.attn.proj(F.scaled_dot_product_attention(q, k, qkv[2]).transpose(1, 2).reshape(b, n, width))
    h = norm(x, block.norm2.weight)
    return x + block.mlp.down_proj(F.silu(block.mlp.gate_proj(h)) * block.mlp.up_proj(h))


def text_layer(
    x: torch.Tensor, layer: torch.nn.Module, cos: torch.Tensor, sin: torch.Tensor, bias: torch.Tensor
) -> torch.Tensor:
    """Run one decoder layer over [rows, tokens, width]; `bias` is the causal per-turn mask."""
    b, n, width = x.shape
    h, attention = norm(x, layer.input_layernorm.weight), layer.self_attn
    q = attention.q_proj(h).view(b, n, HEADS, HEAD_DIM)
    k = attention.k_proj(h).view(b, n, KV_HEADS, HEAD_DIM)
    q, k = rotate(torch.cat((q, k), 2).transpose(1, 2), cos, sin).split((HEADS, KV_HEADS), 1)
    v = attention.v_proj(h).view(b, n, KV_HEADS, HEAD_DIM).transpose(1, 2)
    k, v = (tensor.repeat_interleave(HEADS // KV_HEADS, 1) for tensor in (k, v))
    y = F.scaled_dot_product_attention(q, k, v, attn_mask=bias)
    x = x + attention.o_proj(y.transpose(1, 2).reshape(b, n, width))
    h = norm(x, layer.post_attention_layernorm.weight)
    return x + layer.mlp.down_proj(F.silu(layer.mlp.gate_proj(h)) * layer.mlp.up_proj(h))


def encode_images(model: Qwen2_5_VLForConditionalGeneration, pixels: torch.Tensor) -> torch.Tensor:
    """Return image tokens [n, cells, width] of images uint8[n, H, W, 3]."""
    tower, device = model.model.visual, pixels.device
    n, height, width, _ = pixels.shape
    gh, gw = height // PATCH, width // PATCH
    x = (pixels.float() / 255 - torch.tensor(MEAN, device=device)) / torch.tensor(STD, device=device)
    x = x.view(n, gh // 2, 2, PATCH, gw // 2, 2, PATCH, 3).permute(0, 1, 4, 2, 5, 7, 3, 6)
    x = x.reshape(n, gh * gw, 3, PATCH, PATCH).flatten(2)
    kernel = tower.patch_embed.proj.weight.sum(2).flatten(1)  # both time slices hold the same image
    x = F.linear(x, kernel)
    rows, cols = torch.arange(gh, device=device), torch.arange(gw, device=device)
    at = torch.stack(torch.meshgrid(rows, cols, indexing="ij"), -1)
    at = at.view(gh // 2, 2, gw // 2, 2, 2).transpose(1, 2).reshape(-1, 2).float()
    half = HEAD_DIM // 2
    frequencies = THETA ** (-torch.arange(0, half, 2, device=device).float() / half)
    angle = (at[:, :, None] * frequencies).flatten(1).repeat(1, 2)
    cos, sin = angle.cos().to(x.dtype), angle.sin().to(x.dtype)
    for block in tower.blocks:
        x = vision_block(x, block, cos, sin)
    x = norm(x, tower.merger.ln_q.weight).reshape(n, gh * gw // 4, -1)
    return tower.merger.mlp(x)


def hidden_states(
    model: Qwen2_5_VLForConditionalGeneration, features: torch.Tensor, rows: Rows, compiled: bool = False
) -> torch.Tensor:
    """Return the final hidden states [R, L, width] of the packed rows."""
    lm, device = model.model.language_model, features.device
    x = F.embedding(rows.ids, lm.embed_tokens.weight).to(features.dtype)
    image = (rows.ids == model.config.image_token_id)[..., None]
    x = x.masked_scatter(image, features.index_select(0, rows.owners))
    frequencies = THETA ** (-torch.arange(0, HEAD_DIM, 2, device=device).float() / HEAD_DIM)
    section = torch.repeat_interleave(torch.arange(3), torch.tensor(SECTIONS)).to(device)
    angle = (rows.positions[section].permute(1, 2, 0).float() * frequencies).repeat(1, 1, 2)[:, None]
    cos, sin = angle.cos().to(x.dtype), angle.sin().to(x.dtype)
    n = rows.ids.shape[1]
    causal = torch.ones(n, n, dtype=torch.bool, device=device).tril()
    seen = (rows.docs[:, :, None] == rows.docs[:, None, :]) & causal
    bias = torch.zeros(seen.shape, dtype=x.dtype, device=device).masked_fill(~seen, float("-inf"))[:, None]
    run = compiled_text_layer() if compiled else text_layer
    for layer in lm.layers:
        x = run(x, layer, cos, sin, bias)
    return norm(x, lm.norm.weight)


@functools.cache
def compiled_text_layer() -> Callable[..., torch.Tensor]:
    """Return the compiled decoder layer; its shape never changes in training."""
    return torch.compile(text_layer, dynamic=False)


def answer_loss(
    model: Qwen2_5_VLForConditionalGeneration, features: torch.Tensor, rows: Rows, compiled: bool = False
) -> torch.Tensor:
    """Return the weighted mean cross-entropy over the answer tokens."""
    x = hidden_states(model, features, rows, compiled)
    keep = (rows.labels >= 0).flatten().nonzero().squeeze(1)
    logits = F.linear(x.flatten(0, 1)[keep], model.model.language_model.embed_tokens.weight)
    weight = rows.weights.flatten()[keep].float()
    loss = F.cross_entropy(logits.float(), rows.labels.flatten()[keep].long(), reduction="none")
    return (loss * weight).sum() / weight.sum()


def self_check() -> float:
    """Return the relative difference between the batched pass and Hugging Face's, on random weights and images."""
    tokenizer = build_tokenizer(scenes=20, vocab=600)
    model = Qwen2_5_VLForConditionalGeneration(build_config(tokenizer)).eval()
    rows, cols = 5, 7
    pixels = torch.randint(0, 256, (2, rows * CELL, cols * CELL, 3), dtype=torch.uint8)
    inputs = image_processor()(images=[Image.fromarray(p.numpy()) for p in pixels], return_tensors="pt")
    pad = tokenizer.convert_tokens_to_ids("<|image_pad|>")
    ids = torch.randint(10, 300, (2, 60))
    ids[:, 4], ids[:, 5 : 5 + rows * cols], ids[:, 5 + rows * cols] = 3, pad, 4
    with torch.no_grad():
        types = (ids == pad).int()
        theirs = model(input_ids=ids, attention_mask=torch.ones_like(ids), mm_token_type_ids=types, **inputs).logits
        packed = pack([Tokens(ids[i].tolist(), 5, 50, i) for i in (1, 0)], 1, 128, (rows, cols))
        ours = hidden_states(model, encode_images(model, pixels), packed)
        ours = F.linear(ours[0, :120].view(2, 60, -1).flip(0), model.lm_head.weight)
    return ((ours - theirs).norm() / theirs.norm()).item()


if __name__ == "__main__":
    print("relative error", self_check())
