"""Encode texts with the text tower of an open_clip model: long ones in windows, short ones without padding."""

import itertools
import re
from collections.abc import Callable, Sequence
from typing import Any

from curate.models.extras import load_extra

__all__ = ["WINDOWS", "TextTower", "never_alone"]

WINDOWS = 8  # at most so many windows of a text are read: 8 x 75 tokens are some 400 words
BATCH = 64  # windows encoded at once
STEP = 16  # a window is encoded at the next multiple of it, whatever else is in its batch: bf16 rounds by length
WORD = re.compile(r"(\S{200})(?=\S)")  # byte-pair merging takes the square of a word's length
CACHED_WORDS = 1 << 19


class TextTower:
    """The text half of an open_clip model with its tokenizer."""

    def __init__(self, model: Any, tokenizer: Any) -> None:
        self.model = model
        self.tokenizer = tokenizer
        self.context = int(tokenizer.context_length)
        self.tower = _causal_tower(model)
        _forget_special_tokens(tokenizer)

    def encode(self, texts: Sequence[str]) -> tuple[Any, list[int]]:
        """Return float32[n, d] unit vectors and the number of windows that each of n >= 1 texts was read in.

        A text that fits the context is encoded as open_clip does. A longer one is split into windows of nearly equal
        length; its vector is the mean of their unit vectors, brought back to length 1.
        """
        import torch
        from torch.nn.functional import normalize

        pieces = [self.split(text) for text in texts]
        vectors = normalize(self._encode_all(self.tokenizer(list(itertools.chain(*pieces)))), dim=-1)
        counts = torch.tensor([len(windows) for windows in pieces], device=vectors.device)
        owner = torch.repeat_interleave(torch.arange(len(texts), device=vectors.device), counts)
        sums = vectors.new_zeros(len(texts), vectors.shape[1]).index_add_(0, owner, vectors)
        return normalize(sums, dim=-1), counts.tolist()

    def split(self, text: str) -> list[str]:
        """Return the text in pieces that fit the context; what is past 8 windows is left out."""
        clean = WORD.sub(r"\1 ", text[: 8 * self.context * WINDOWS])
        room = self.context - 2  # a start and an end token
        if len(clean.encode()) <= room:  # a token is at least a byte
            return [clean]
        encode, decode = _coder(self.tokenizer)
        ids = encode(clean)
        count = min(WINDOWS, -(-len(ids) // room))
        if count <= 1:
            return [clean]
        ids = ids[: count * room]
        edges = [len(ids) * i // count for i in range(count + 1)]
        return [decode(ids[start:end]) for start, end in itertools.pairwise(edges)]

    def _encode_all(self, tokens: Any) -> Any:
        """Return float32[w, d], not normalised, of tokens int64[w, context]; windows of like length go together."""
        import torch

        if len(getattr(self.tokenizer, "cache", ())) > CACHED_WORDS:  # else it grows with every new word, forever
            self.tokenizer.cache.clear()
        device = self.model.logit_scale.device
        lengths = self._lengths(tokens)
        rows, parts = [], []
        for length in lengths.unique().tolist():
            for group in torch.nonzero(lengths == length).flatten().split(BATCH):
                window = never_alone(tokens[group, :length].to(device))
                vectors_of = self.model.encode_text(window) if self.tower is None else _encode_cut(self.tower, window)
                rows.append(group)
                parts.append(vectors_of[: len(group)].float())
        vectors = torch.cat(parts)
        return torch.empty_like(vectors).index_copy_(0, torch.cat(rows).to(device), vectors)

    def _lengths(self, tokens: Any) -> Any:
        """Return int64[w], what to encode: up to the end token, rounded up, or the context if that may not be cut."""
        if self.tower is None:
            return tokens.new_full((len(tokens),), self.context)
        pool, end = _pooling(self.tower)
        used = (tokens if pool == "argmax" else (tokens == end).int()).argmax(dim=1) + 1
        return (-(-used // STEP) * STEP).clamp(max=self.context)


def never_alone(rows: Any) -> Any:
    """Return a tensor with its only row doubled: torch's kernels for one row round bf16 differently (0.001 seen)."""
    return rows if len(rows) > 1 else rows.repeat(2, *(1 for _ in rows.shape[1:]))


def _pooling(tower: Any) -> tuple[str | None, int | None]:
    """Return where the tower takes its result (open_clip's pool type) and its end token."""
    pool = getattr(tower, "text_pool_type", None) or getattr(tower, "pool_type", None)
    return pool, getattr(tower, "text_eos_id", None) or getattr(tower, "eos_id", None)


def _causal_tower(model: Any) -> Any | None:
    """Return the tower if padding after the end token cannot reach the result, so that it may be cut; else None.

    That holds for causal attention with the end token pooled. SigLIP's towers see their padding.
    """
    tower = model if hasattr(model, "token_embedding") else getattr(model, "text", None)
    causal = getattr(tower, "attn_mask", None) is not None and getattr(tower, "cls_emb", None) is None
    plain = all(hasattr(tower, name) for name in ("token_embedding", "positional_embedding", "ln_final"))
    return tower if causal and plain and _pooling(tower)[0] in ("argmax", "eos") else None


def _encode_cut(tower: Any, tokens: Any) -> Any:
    """Run a causal text tower on int64[k, l] with l up to its context length; equal to the padded result."""
    from open_clip.transformer import text_global_pool

    kind = tower.transformer.get_cast_dtype()
    length = tokens.shape[1]
    x = tower.token_embedding(tokens).to(kind) + tower.positional_embedding[:length].to(kind)
    x = tower.ln_final(tower.transformer(x, attn_mask=tower.attn_mask[:length, :length]))
    pool, end = _pooling(tower)
    x = text_global_pool(x, tokens, pool, eos_token_id=end)
    projection = tower.text_projection
    if projection is None:
        return x
    return projection(x) if callable(projection) else x @ projection


def _coder(tokenizer: Any) -> tuple[Callable[[str], list[int]], Callable[[list[int]], str]]:
    """Return functions from text to token ids without special tokens, and back."""
    inner = getattr(tokenizer, "tokenizer", None)
    if inner is None:  # open_clip's own
        return tokenizer.encode, tokenizer.decode

    def encode(text: str) -> list[int]:
        return list(inner.encode(tokenizer.clean_fn(text), add_special_tokens=False))

    return encode, inner.decode


def _forget_special_tokens(tokenizer: Any) -> None:
    """Make open_clip's own tokenizer read `<end_of_text>` in a text as letters: texts are data, not commands."""
    if not (hasattr(tokenizer, "pat") and hasattr(tokenizer, "all_special_ids")):
        return
    names = "|".join(tokenizer.decoder[number] for number in tokenizer.all_special_ids)
    pattern = tokenizer.pat.pattern.removeprefix(f"{names}|")
    tokenizer.pat = load_extra("regex", "clip").compile(pattern, tokenizer.pat.flags)
