"""Make samples of the emojiworld: a stored image, an alt text, and the truth about both."""

import io
import random
from dataclasses import dataclass, replace

from PIL import Image

from nano.world.annotation import Scene
from nano.world.scenes import make_scene
from nano.world.texts import dense_caption, short_caption

__all__ = [
    "KEPT",
    "Sample",
    "clean_sample",
    "decode",
    "describe",
    "encode",
    "hidden_sign_sample",
    "retold",
    "with_text",
]

QUALITY = 86  # with it 300 samples stay under 8 MB
KEPT = ("kept",)


@dataclass(frozen=True, slots=True)
class Sample:
    """One sample as a shard stores it, with its truth.

    `image` None: no image member; `text` None: no text member; `scene` None: the bytes show no whole image.
    `expected` are the filters, or "error:CODE", any of which may rightly drop it; KEPT when none may; empty when
    keeping and dropping are both right.
    """

    scene: Scene | None
    image: bytes | None
    extension: str
    text: bytes | None
    alt_kind: str
    planted: str | None = None
    expected: tuple[str, ...] = KEPT
    original: int | None = None  # number of the sample whose image this one repeats


def clean_sample(seed: int, rng: random.Random) -> Sample:
    """Draw a scene as JPEG with a true alt text of at least four words, one in three a dense caption."""
    image, scene = make_scene(seed)
    sample = Sample(scene, encode(image, "JPEG"), "jpg", None, "")
    return with_text(sample, *describe(scene, rng))


def hidden_sign_sample(seed: int, rng: random.Random) -> Sample:
    """Draw a scene whose alt text is true but tells neither places nor the sign: only experts can know them."""
    image, scene = make_scene(seed)
    sample = Sample(scene, encode(image, "JPEG"), "jpg", None, "")
    return with_text(sample, "no_sign", _short_text(replace(scene, sign=None), rng))


def describe(scene: Scene, rng: random.Random) -> tuple[str, str]:
    """Return the kind, "dense" or "good", and the text of a true alt text."""
    if rng.random() < 0.35:
        return "dense", dense_caption(scene, rng)
    return "good", _short_text(scene, rng)


def _short_text(scene: Scene, rng: random.Random) -> str:
    while len((text := short_caption(scene, rng)).split()) < 4:  # "dog" is true, but a word count takes it for junk
        pass
    return text


def retold(sample: Sample, rng: random.Random) -> Sample:
    """Return a clean sample with another true alt text."""
    return sample if sample.scene is None else with_text(sample, *describe(sample.scene, rng))


def with_text(sample: Sample, kind: str, text: str) -> Sample:
    """Return the sample with another alt text."""
    return replace(sample, text=text.encode(), alt_kind=kind)


def encode(image: Image.Image, kind: str, quality: int = QUALITY) -> bytes:
    """Return the image as a file of a Pillow format."""
    file = io.BytesIO()
    image.save(file, kind, quality=quality)
    return file.getvalue()


def decode(sample: Sample) -> Image.Image:
    """Return the stored image as RGB; raises ValueError if there is none."""
    if sample.image is None:
        raise ValueError("a sample without an image cannot be decoded")
    return Image.open(io.BytesIO(sample.image)).convert("RGB")
