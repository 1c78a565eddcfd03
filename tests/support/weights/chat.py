"""A tiny Qwen3-VL: the true architecture, processor and chat template, and weights that know a few sentences.

The layers are random and small, so that each runs and none says much; what decides is a table in the output head, from
one token to the next. So captions pass the guards, answers of guided decoding end, and the engine is the real one.
"""

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

from nano.train.template import SPECIAL, TEMPLATE

__all__ = ["write_chat_model"]

HIDDEN: Final = 256
HEAD_DIM: Final = 64
END: Final = "<|im_end|>"
ANSWERS: Final = {END: 1.0, "yes": 0.9, "5": 0.8, '"': 0.7, "]": 0.6, "}": 0.5, ",": 0.4}
"""How much it wants each at the start and after a token that it does not know: of guided answers the first allowed.

At the start a sentence is what it wants most, so a guided yes has a probability of about a tenth of the vocabulary's.
"""
SENTENCES: Final = (
    "A tall person walks one brown dog between two old trees while soft clouds drift over green hills under the bright "
    "evening sky, with flowers along its narrow stone path.",
    "A young person holds that brown dog behind three dark walls while warm light falls over yellow fields under some "
    "clear morning sky, with grass beside its broad dusty road.",
)
"""What it says: no token twice in a sentence, each 20 words or more; where both know the last token, either goes on."""


def write_chat_model(folder: Path, sentences: Sequence[str] = SENTENCES) -> Path:
    """Write configuration, tokenizer, processor, chat template and weights as a hub has them, and return the folder.

    About 3 million parameters in bfloat16. It says yes to everything, gives five of five, and leaves strings empty.
    """
    tokenizer = _tokenizer(sentences)
    _processor(tokenizer).save_pretrained(folder)
    _model(tokenizer, sentences).save_pretrained(folder)
    return folder


def _tokenizer(sentences: Sequence[str]) -> Any:
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bpe.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=1500,
        special_tokens=list(SPECIAL),
        show_progress=False,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
    )
    bpe.train_from_iterator([*sentences, "yes", "no", "user system assistant"], trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=bpe,
        eos_token=END,
        pad_token=SPECIAL[0],
        additional_special_tokens=list(SPECIAL[3:]),
    )


def _processor(tokenizer: Any) -> Any:
    from transformers import Qwen2VLImageProcessor, Qwen3VLProcessor, Qwen3VLVideoProcessor

    half = [0.5, 0.5, 0.5]
    images = Qwen2VLImageProcessor(
        patch_size=16,
        merge_size=2,
        image_mean=half,
        image_std=half,
        size={"shortest_edge": 256 * 256, "longest_edge": 4096 * 4096},
    )
    return Qwen3VLProcessor(
        image_processor=images,
        tokenizer=tokenizer,
        video_processor=Qwen3VLVideoProcessor(),
        chat_template=TEMPLATE,
    )


def _config(tokenizer: Any) -> Any:
    from transformers import Qwen3VLConfig

    ids = {token: tokenizer.convert_tokens_to_ids(token) for token in SPECIAL}
    text = {
        "vocab_size": len(tokenizer),
        "hidden_size": HIDDEN,
        "intermediate_size": 2 * HIDDEN,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "head_dim": HEAD_DIM,
        "max_position_embeddings": 32768,
        "rope_parameters": {
            "rope_type": "default",
            "rope_theta": 5e6,
            "mrope_section": [12, 10, 10],
            "mrope_interleaved": True,
        },
        "bos_token_id": ids[SPECIAL[0]],
        "eos_token_id": ids[END],
        "tie_word_embeddings": False,
    }
    vision = {
        "depth": 2,
        "hidden_size": 128,
        "intermediate_size": 256,
        "num_heads": 2,
        "out_hidden_size": HIDDEN,
        "deepstack_visual_indexes": [0, 1],
    }
    config = Qwen3VLConfig(
        text_config=text,
        vision_config=vision,
        image_token_id=ids["<|image_pad|>"],
        video_token_id=ids["<|video_pad|>"],
        vision_start_token_id=ids["<|vision_start|>"],
        vision_end_token_id=ids["<|vision_end|>"],
        tie_word_embeddings=False,
    )
    config.dtype = "bfloat16"
    return config


def _model(tokenizer: Any, sentences: Sequence[str]) -> Any:
    import torch
    from transformers import Qwen3VLForConditionalGeneration

    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = Qwen3VLForConditionalGeneration(_config(tokenizer))
        embeddings, head = _table(tokenizer, sentences)
    with torch.no_grad():
        model.model.language_model.embed_tokens.weight.copy_(embeddings)
        model.lm_head.weight.copy_(head)
    return model.bfloat16()


def _table(tokenizer: Any, sentences: Sequence[str]) -> tuple[Any, Any]:
    """Return embeddings and output head, float32[vocabulary, HIDDEN]: after a token the next one has the most.

    Known tokens have orthogonal embeddings; all others share a direction, from which the head
    goes to the answers.
    """
    import torch

    size = len(tokenizer)
    followers = _followers(tokenizer, sentences)
    axes = torch.linalg.qr(torch.randn(HIDDEN, HIDDEN))[0] * HIDDEN**0.5
    unknown, scale = axes[0], 20.0 / HIDDEN
    embeddings = unknown + 0.3 * torch.randn(size, HIDDEN)
    head = 0.02 * torch.randn(size, HIDDEN)
    for axis, (token, nexts) in zip(axes[1:], followers.items(), strict=False):
        embeddings[token] = axis
        for following in nexts:
            head[following] += scale * axis
    start = embeddings[_prompt_end(tokenizer)]
    for answer, share in ANSWERS.items():
        where = unknown if answer == END else unknown + start
        head[tokenizer.convert_tokens_to_ids(answer)] += share * scale * where
    return embeddings, head


def _prompt_end(tokenizer: Any) -> int:
    return int(tokenizer.encode("assistant\n", add_special_tokens=False)[-1])


def _followers(tokenizer: Any, sentences: Sequence[str]) -> dict[int, list[int]]:
    """Return which tokens may follow a token, the last of the prompt first."""
    followers: dict[int, list[int]] = {}
    for sentence in sentences:
        said = [_prompt_end(tokenizer), *tokenizer.encode(sentence, add_special_tokens=False), tokenizer.eos_token_id]
        if len(set(said)) < len(said):
            raise ValueError(f"a token comes twice in {sentence!r}; say it in other words")
        for token, following in pairwise(said):
            nexts = followers.setdefault(token, [])
            nexts += [] if following in nexts else [following]
    followers |= {tokenizer.convert_tokens_to_ids("5"): tokenizer.convert_tokens_to_ids([END, "}", ","])}
    if len(followers) >= HIDDEN:
        raise ValueError(f"{len(followers)} tokens to know; at most {HIDDEN - 1}")
    return followers
