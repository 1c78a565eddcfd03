"""One copy of a model's weights for all workers of a machine."""

import functools
import hashlib
from pathlib import Path
from typing import Any

from curate.models.cache import cached
from curate.models.extras import load_extra

__all__ = ["share_weights"]

FILE = "weights.safetensors"


def share_weights(model: Any, identity: str, extra: str) -> None:
    """Let a torch model on the CPU read its weights from a file that every process of the machine maps.

    The file is written into the cache by the first who comes, so that its pages are in memory once, however many
    workers read them; values do not change. `identity` says which weights these are, in which precision. Where the
    cache cannot be written, the model keeps its own copy.
    """
    torch, tensors = load_extra("torch", extra), load_extra("safetensors.torch", extra)
    name = hashlib.blake2b(f"{identity} {torch.__version__}".encode(), digest_size=8).hexdigest()
    try:
        folder = cached(f"weights/{name}", functools.partial(_write, model=model, tensors=tensors))
    except (OSError, load_extra("safetensors", extra).SafetensorError):
        return
    model.load_state_dict(tensors.load_file(folder / FILE), assign=True)


def _write(folder: Path, *, model: Any, tensors: Any) -> None:
    tensors.save_file(
        {name: each.detach().contiguous().clone() for name, each in model.state_dict().items()}, folder / FILE
    )
