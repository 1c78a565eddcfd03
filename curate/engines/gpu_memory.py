"""Tell before an engine starts whether its model fits the GPU, and if not, how much is missing and what helps."""

import json
import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

__all__ = [
    "EngineMemory",
    "engine_memory",
    "gpu_bytes",
    "kv_bytes_per_token",
    "missing_memory",
    "taken_memory",
    "weight_bytes",
]

GIB: Final = 1 << 30
MIB: Final = 1 << 20
GPU_QUERY: Final = ("nvidia-smi", "--query-gpu=index,uuid,memory.total,memory.free", "--format=csv,noheader,nounits")
WORKING_BYTES: Final = int(1.5 * GIB)  # activations of a full batch, context, CUDA graphs; ours, not measured on a GPU
BYTES: Final = {"float32": 4, "float16": 2, "bfloat16": 2, "half": 2, "float": 4}


@dataclass(frozen=True, slots=True)
class EngineMemory:
    """What one engine needs of each of its GPUs, in bytes: weights, and keys and values of one longest request."""

    weights: int
    cache: int

    @property
    def total(self) -> int:
        return self.weights + self.cache + WORKING_BYTES


def gpu_bytes() -> tuple[int, int] | None:
    """Return total and free memory of this process's GPU with the least free; null if its driver's tool is not there.

    The tool makes no context on the GPU, which torch would.
    """
    try:
        done = subprocess.run(GPU_QUERY, capture_output=True, text=True, timeout=30, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    rows = [line.split(", ") for line in done.stdout.splitlines() if line.count(", ") == 3]
    mine = [row for row in rows if visible is None or {row[0], row[1]} & set(visible.split(","))]
    sizes = [(int(total) * MIB, int(free) * MIB) for _, _, total, free in mine if total.isdigit() and free.isdigit()]
    return min(sizes, key=lambda size: size[1]) if sizes else None


def weight_bytes(folder: Path) -> int:
    """Return the size of a model's weights: its safetensors files, else its pickles."""
    for pattern in ("*.safetensors", "*.bin", "*.pt"):
        if size := sum(file.stat().st_size for file in folder.glob(pattern)):
            return size
    return 0


def kv_bytes_per_token(config: Mapping[str, Any], dtype: str = "auto") -> int:
    """Return the bytes of keys and values that a token takes in all layers, by a model's config.json.

    0 where the config does not say: an engine with another kind of attention is not refused for it.

    >>> kv_bytes_per_token({"text_config": {"num_hidden_layers": 36, "num_key_value_heads": 8, "head_dim": 128}})
    147456
    """
    text: Mapping[str, Any] = config.get("text_config") or config
    heads = text.get("num_attention_heads") or 0
    size = text.get("head_dim") or (text.get("hidden_size", 0) // heads if heads else 0)
    kind = dtype if dtype != "auto" else str(text.get("dtype") or text.get("torch_dtype") or config.get("dtype"))
    layers, of_keys = text.get("num_hidden_layers") or 0, text.get("num_key_value_heads") or heads
    return int(2 * layers * of_keys * size * BYTES.get(kind, 2))


def engine_memory(folder: Path, dtype: str, max_model_len: int, gpus: int) -> EngineMemory:
    """Return what an engine needs of each of its `gpus`, over which weights and cache are spread."""
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):  # whoever loads the model says it
        config = {}
    cache = kv_bytes_per_token(config, dtype) * max_model_len
    return EngineMemory(weight_bytes(folder) // gpus, cache // gpus)


def taken_memory(total: int, free: int, frac: float) -> str | None:
    """Return the clause that says that others hold too much of a GPU for an engine that takes `frac` of it, or null.

    >>> print(taken_memory(80 * GIB, 60 * GIB, 0.9))
    it takes 0.9 of its GPU, 72.0 GiB, and only 60.0 of 80.0 are free: 12.0 GiB are missing; end what else runs there, \
or pass gpu_memory_utilization=0.74
    """
    want = int(frac * total)
    if want <= free:
        return None
    return (
        f"it takes {frac:.2g} of its GPU, {want / GIB:.1f} GiB, and only {free / GIB:.1f} of {total / GIB:.1f} are free"
        f": {(want - free) / GIB:.1f} GiB are missing; end what else runs there, or pass "
        f"gpu_memory_utilization={int(100 * (free / total - 0.005)) / 100:.2f}"
    )


def missing_memory(need: EngineMemory, gpu_bytes: int, frac: float) -> str | None:
    """Return the clause that says how much a GPU of `gpu_bytes` lacks and what helps; null if `frac` of it is enough.

    >>> missing_memory(EngineMemory(16 * GIB, GIB), 24 * GIB, 0.9) is None
    True
    >>> print(missing_memory(EngineMemory(16 * GIB, GIB), 24 * GIB, 0.45))
    it needs 18.5 GiB of its GPU (weights 16.0, keys and values of one longest request 1.0, 1.5 to work) and gets \
0.45 of 24.0 = 10.8: 7.7 GiB are missing; raise gpu_memory_utilization to 0.78 or more, \
and put what shares the GPU on CPUs
    """
    have = int(gpu_bytes * frac)
    if need.total <= have:
        return None
    sums = (
        f"it needs {need.total / GIB:.1f} GiB of its GPU (weights {need.weights / GIB:.1f}, keys and values of one "
        f"longest request {need.cache / GIB:.1f}, {WORKING_BYTES / GIB:.1f} to work) and gets {frac:.2g} of "
        f"{gpu_bytes / GIB:.1f} = {have / GIB:.1f}: {(need.total - have) / GIB:.1f} GiB are missing; "
    )
    return sums + _remedy(need, gpu_bytes, have)


def _remedy(need: EngineMemory, gpu_bytes: int, have: int) -> str:
    """Return the cheapest thing that helps."""
    if need.total <= 0.95 * gpu_bytes:
        less = ", and put what shares the GPU on CPUs" if have < 0.85 * gpu_bytes else ""
        return f"raise gpu_memory_utilization to {need.total / gpu_bytes + 0.005:.2f} or more{less}"
    if need.total - need.cache < have and need.cache > WORKING_BYTES:
        left = have - need.weights - WORKING_BYTES
        return f"lower max_model_len to {left / need.cache:.0%} of what it is"
    for parts in (2, 4, 8):
        if (need.weights + need.cache) / parts + WORKING_BYTES <= have:
            return f"spread it over GPUs with tensor_parallel_size={parts}, or take a quantised or smaller model"
    return "take a smaller or quantised model, or servers that hold it"
