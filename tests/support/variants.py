"""Pictures without a file, and what is done to pictures on the web."""

import io

import numpy as np
from PIL import Image, ImageEnhance, ImageOps


def picture(seed: int, width: int = 160, height: int = 120) -> Image.Image:
    """Return a picture with broad shapes and fine detail, another one for each seed."""
    rng = np.random.default_rng(seed)
    layers = [
        np.asarray(Image.fromarray(rng.integers(0, 256, (h, w, 3), np.uint8)).resize((width, height), Image.BICUBIC))
        for h, w in ((4, 5), (10, 13), (28, 36))
    ]
    mixed = sum(share * layer.astype(float) for share, layer in zip((0.5, 0.3, 0.2), layers, strict=True))
    return Image.fromarray(np.clip((mixed - 128) * 1.5 + 128, 0, 255).astype(np.uint8))


def jpeg(image: Image.Image, quality: int = 85) -> bytes:
    stream = io.BytesIO()
    image.convert("RGB").save(stream, "JPEG", quality=quality)
    return stream.getvalue()


def cropped(image: Image.Image, share: float) -> Image.Image:
    width, height = image.size
    return image.crop((round(width * share * 0.7), round(height * share * 0.2), *_corner(image, share)))


def _corner(image: Image.Image, share: float) -> tuple[int, int]:
    return round(image.width * (1 - share * 0.3)), round(image.height * (1 - share * 0.8))


def written_over(image: Image.Image) -> Image.Image:
    """Return the picture with a dark bar over its lower 15 %."""
    copy = image.copy()
    copy.paste((20, 20, 20), (0, round(copy.height * 0.85), copy.width, copy.height))
    return copy


VARIANTS = {
    "coded again": lambda image: jpeg(image, 40),
    "half the size": lambda image: jpeg(image.resize((image.width // 2, image.height // 2))),
    "twice the size": lambda image: jpeg(image.resize((image.width * 2, image.height * 2))),
    "crop of 5 %": lambda image: jpeg(cropped(image, 0.05)),
    "brighter": lambda image: jpeg(ImageEnhance.Brightness(image).enhance(1.25)),
    "without colour": lambda image: jpeg(ImageOps.grayscale(image)),
    "bar over it": lambda image: jpeg(written_over(image)),
    "mirrored": lambda image: jpeg(ImageOps.mirror(image)),
    "in a frame": lambda image: jpeg(ImageOps.expand(image, 14, (250, 250, 250))),
    "crop of 15 %": lambda image: jpeg(cropped(image, 0.15)),
    "turned by 3 degrees": lambda image: jpeg(image.rotate(3, Image.BICUBIC)),
}
