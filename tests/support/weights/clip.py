"""An open_clip checkpoint: the true architecture, as large as it is, with weights made in seconds."""

import math
from pathlib import Path
from typing import Any, Final

__all__ = ["write_clip"]

BLOCK: Final = 1 << 20
SHARED: Final = 0.35
"""The cosine of any image and any text, more or less: random towers alone would say 0."""


def write_clip(path: Path, model: str = "ViT-L-14") -> Path:
    """Write a checkpoint of an open_clip model in fp16 safetensors, and return its path.

    ViT-L-14 has 428 million parameters, so a block of random numbers is repeated instead of drawing them all. Both
    towers share one direction, so that pairs score about `SHARED`, which a web filter keeps.
    """
    import open_clip
    import torch
    from safetensors.torch import save_file

    shapes = {name: value.shape for name, value in open_clip.create_model(model, device="meta").state_dict().items()}
    generator = torch.Generator().manual_seed(0)
    block = torch.randn(BLOCK, generator=generator)
    weights = {name: _weight(name, shape, block).half().contiguous() for name, shape in shapes.items()}
    _share_a_direction(weights, generator)
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file(weights, str(path))
    return path


def _weight(name: str, shape: Any, block: Any) -> Any:
    """Return float32[shape]: noise that keeps activations near 1, ones for norms, zeros for biases."""
    import torch

    if name == "logit_scale":
        return torch.tensor(math.log(100.0))
    if len(shape) < 2 and "class_embedding" not in name:
        return torch.ones(shape) if name.endswith("weight") else torch.zeros(shape)
    count = math.prod(shape)
    noise = block.roll(hash_of(name)).repeat(count // BLOCK + 1)[:count].view(shape)
    if "embedding" in name and "conv" not in name:
        return 0.02 * noise
    return noise * (shape[-1] if "proj" in name.rpartition(".")[2] else math.prod(shape[1:])) ** -0.5


def hash_of(name: str) -> int:
    """Return a number that is the same in every process."""
    import zlib

    return zlib.crc32(name.encode()) % BLOCK


def _share_a_direction(weights: dict[str, Any], generator: Any) -> None:
    """Let the first number before each projection be a constant that leads to one direction, in place."""
    import torch

    width = weights["text_projection"].shape[1]
    direction = torch.nn.functional.normalize(torch.randn(width, generator=generator), dim=0)
    for norm, projection in (("visual.ln_post", "visual.proj"), ("ln_final", "text_projection")):
        others = weights[projection][1:].float()
        length = others.pow(2).sum().sqrt() * math.sqrt(SHARED / (1 - SHARED))
        weights[f"{norm}.weight"][0] = 0.0
        weights[f"{norm}.bias"][0] = 1.0
        weights[projection][0] = (length * direction).half()
