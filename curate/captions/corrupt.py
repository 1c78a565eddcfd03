"""Really corrupt a picture, so that a caption of it is worse than one of the clean picture.

Source: STIC's two corruptions (Deng et al. 2024, arXiv 2405.19716; `Resize(20)` and `ColorJitter(brightness=.5,
hue=.3)`). Its released script records a corruption and shows the model the clean picture; see the tests.
"""

import hashlib

import numpy as np
from PIL import Image

from curate.pixels import resize
from curate.stages import Pixels

__all__ = ["color_jitter", "low_resolution", "pixels_sha256"]


def low_resolution(image: Pixels, short_side_px: int) -> Pixels:
    """Scale down until the short side has so many px, and back: detail goes, the size (and the token count) stays.

    A picture that is no larger comes back as it is.
    """
    height, width = image.shape[:2]
    scale = short_side_px / min(height, width)
    if scale >= 1:
        return image
    small = resize(image, max(1, round(width * scale)), max(1, round(height * scale)))
    return resize(small, width, height)


def color_jitter(image: Pixels, brightness: float, hue: float) -> Pixels:
    """Multiply the brightness (1 leaves it) and turn the hue by a part of the circle in [-0.5, 0.5] (0 leaves it)."""
    bright: Pixels = np.clip(np.rint(image * np.float32(brightness)), 0, 255).astype(np.uint8)
    turn = round(hue * 255) % 256
    if turn == 0:
        return bright
    hsv = np.array(Image.fromarray(bright).convert("HSV"))
    hsv[..., 0] += np.uint8(turn)  # wraps round the circle
    return np.array(Image.frombytes("HSV", (hsv.shape[1], hsv.shape[0]), hsv.tobytes()).convert("RGB"))


def pixels_sha256(image: Pixels) -> str:
    """Return the hex digest of size and pixels: equal for two pictures exactly when a model would see the same."""
    height, width = image.shape[:2]
    return hashlib.sha256(f"{width}x{height}\0".encode() + np.ascontiguousarray(image).tobytes()).hexdigest()
