"""Score images and texts with the nano CLIP through open_clip's public interface."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

__all__ = ["ClipScorer"]

FOLDER = Path(__file__).resolve().parents[1] / "clip"
ROWS = 64


@dataclass(frozen=True, slots=True)
class ClipScorer:
    """The plain way, against which experts and thresholds are checked: open_clip's own transform, no tricks."""

    model: Any
    transform: Any
    tokenizer: Any

    @staticmethod
    def load() -> "ClipScorer":
        """Load the nano CLIP in float32 on the CPU."""
        import open_clip

        open_clip.add_model_config(FOLDER / "nano-clip.json")
        model, _, transform = open_clip.create_model_and_transforms(
            "nano-clip", pretrained=str(FOLDER / "nano-clip.safetensors"), image_resize_mode="squash"
        )
        return ClipScorer(model.eval(), transform, open_clip.get_tokenizer("nano-clip"))

    def images(self, images: Sequence[Image.Image]) -> npt.NDArray[np.float32]:
        """Return unit vectors float32[n, d]."""
        import torch

        with torch.inference_mode():
            parts = [
                torch.stack([self.transform(image) for image in images[k : k + ROWS]])
                for k in range(0, len(images), ROWS)
            ]
            return np.concatenate([self.model.encode_image(part, normalize=True).numpy() for part in parts])

    def texts(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        """Return unit vectors float32[n, d]; a text is cut at 160 tokens."""
        import torch

        with torch.inference_mode():
            parts = [self.tokenizer(list(texts[k : k + ROWS])) for k in range(0, len(texts), ROWS)]
            return np.concatenate([self.model.encode_text(part, normalize=True).numpy() for part in parts])
