"""Really corrupt an image, so that a caption of it is worse than one of the clean image.

Source: the first two are STIC's (Deng et al. 2024, arXiv 2405.19716; `Resize(20)` and `ColorJitter(brightness=.5,
hue=.3)`). Its released script records a corruption and shows the model the clean image; see the tests. The others are
our own choice of what goes wrong with images. Each keeps the size, and with it the number of visual tokens.
"""

import hashlib
import io

import numpy as np
from PIL import Image, ImageFilter

from curate.pixels import resize
from curate.stages import Pixels

__all__ = ["blur", "color_jitter", "crop", "jpeg", "low_resolution", "noise", "occlusion", "pixels_sha256"]

GREY = 127


def low_resolution(image: Pixels, short_side_px: int) -> Pixels:
    """Scale down until the short side has so many px, and back: detail goes, the size (and the token count) stays.

    An image that is no larger comes back as it is.
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


def blur(image: Pixels, radius_px: float) -> Pixels:
    """Blur with a Gaussian of so many px standard deviation."""
    return np.array(Image.fromarray(image).filter(ImageFilter.GaussianBlur(radius_px)))


def jpeg(image: Pixels, quality: int) -> Pixels:
    """Store as JPEG of a quality from 1 to 95, colours at half resolution, and read it again."""
    stream = io.BytesIO()
    Image.fromarray(image).save(stream, "JPEG", quality=quality, subsampling=2)
    return np.array(Image.open(stream).convert("RGB"))


def noise(image: Pixels, deviation: float, seed: int) -> Pixels:
    """Add grey values from a normal distribution, each channel of each pixel its own."""
    added = np.random.default_rng(seed).standard_normal(image.shape, np.float32) * np.float32(deviation)
    return np.clip(np.rint(image + added), 0, 255).astype(np.uint8)


def occlusion(image: Pixels, left: float, top: float, side: float) -> Pixels:
    """Cover a rectangle with grey; `left`, `top` and `side` are fractions of the image's width and height."""
    height, width = image.shape[:2]
    covered = image.copy()
    rows = slice(int(top * height), int(np.ceil((top + side) * height)))
    covered[rows, int(left * width) : int(np.ceil((left + side) * width))] = GREY
    return covered


def crop(image: Pixels, left: float, top: float, side: float) -> Pixels:
    """Show only a part, scaled up to the size of the whole; fractions as for `occlusion`."""
    height, width = image.shape[:2]
    y, x = int(top * height), int(left * width)
    part = image[y : y + max(1, int(side * height)), x : x + max(1, int(side * width))]
    return resize(np.ascontiguousarray(part), width, height)


def pixels_sha256(image: Pixels) -> str:
    """Return the hex digest of size and pixels: equal for two images exactly when a model would see the same."""
    height, width = image.shape[:2]
    return hashlib.sha256(f"{width}x{height}\0".encode() + np.ascontiguousarray(image).tobytes()).hexdigest()
