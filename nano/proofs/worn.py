"""Wear the nano VLM down, so that there is something to learn; the vision tower stays as it is.

`fresh_layers` gives the last decoder layers new weights, drawn as at the start of a training: what is left sees, and
must learn again to say it. `noise` mixes so much Gaussian noise into every matrix of the decoder layers, in parts of
its standard deviation: a fluent model that errs.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

__all__ = ["NANO_VLM", "Wear", "wear"]

NANO_VLM: Final = Path("nano/vlm")


@dataclass(frozen=True, slots=True)
class Wear:
    """How a model is worn: layers, counted from the last, and the share of noise in the others."""

    fresh_layers: int = 0
    noise: float = 0.0


def wear(how: Wear, seed: int, out: Path) -> Path:
    """Write a worn nano VLM as an ordinary Hugging Face folder, unless it is there; returns the folder."""
    import torch
    from transformers import AutoProcessor, Qwen2_5_VLForConditionalGeneration

    if (out / "processor_config.json").exists():
        return out
    torch.manual_seed(seed)
    model = Qwen2_5_VLForConditionalGeneration.from_pretrained(NANO_VLM, dtype=torch.float32)
    layers = list(model.model.language_model.layers)
    with torch.no_grad():
        for number, layer in enumerate(layers):
            fresh = number >= len(layers) - how.fresh_layers
            for matrix in (parameter for parameter in layer.parameters() if parameter.ndim > 1):
                if fresh:
                    matrix.normal_(0.0, model.config.text_config.initializer_range)
                elif how.noise:
                    matrix.mul_(1 - how.noise).add_(torch.randn_like(matrix) * matrix.std() * how.noise)
    model.to(torch.bfloat16).save_pretrained(out)
    AutoProcessor.from_pretrained(NANO_VLM).save_pretrained(out)  # last: the folder is complete
    return out
