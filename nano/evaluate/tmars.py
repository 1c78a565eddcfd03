"""Measure T-MARS where it is known what is written in an image and what is drawn."""

import io
import random
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import numpy as np
from PIL import Image, ImageDraw

from curate.experts.clip import Clip
from curate.experts.masked_clip import MaskedClip
from curate.experts.ocr import Ocr
from curate.experts.text_boxes import TextBoxes
from curate.models.weights import Weights
from curate.pipeline import FailureLimits, Pipeline
from curate.run.local import measure
from nano.evaluate.models import HELD_OUT
from nano.world.scenes import make_scene, sign_font
from nano.world.texts import short_caption

__all__ = ["tmars_table"]

SEED: Final = HELD_OUT["vlm"] + 800_000  # scenes that no other figure is measured on
ROOT: Final = Path(__file__).resolve().parents[1]
"""The folder of the nano weights."""
COLUMNS: Final = {
    "as it is": "clip_score",
    "any text out": "masked_clip_score",
    "read text out": "read_masked_clip_score",
}


def pairs(count: int) -> Iterator[tuple[str, tuple[bytes, str]]]:
    """Yield kinds of pairs: an image and what it shows; a sign and what it says; both in one; neither."""
    rng = random.Random(SEED)
    for i in range(count):
        image, scene = make_scene(SEED + 2 * i)
        other, _ = make_scene(SEED + 2 * i + 1)
        seen = short_caption(scene, rng)
        yield "shown, no lettering added", (png(image), seen)
        yield "shown, lettering beside it", (png(lettered(image, "SALE TODAY", rng)), seen)
        yield "only written", (png(lettered(other, seen, rng)), seen)
        yield "neither", (png(other), seen)


def lettered(image: Image.Image, text: str, rng: random.Random) -> Image.Image:
    """Write a text over the lower part of an image, on a panel."""
    written = image.copy()
    size = max(12, image.height // 14)
    font = sign_font("DejaVuSans-Bold.ttf", size)
    lines, line = [], ""
    for word in text.split():
        if line and font.getlength(f"{line} {word}") > image.width - 16:
            lines, line = [*lines, line], word
        else:
            line = f"{line} {word}".strip()
    lines = [*lines, line][-6:]
    draw = ImageDraw.Draw(written)
    top = image.height - round(size * 1.3) * len(lines) - 8
    draw.rectangle((0, top - 6, image.width, image.height), fill=rng.choice(["white", "lightyellow", "lightblue"]))
    for i, each in enumerate(lines):
        draw.text((8, top + round(size * 1.3) * i), each, font=font, fill="black")
    return written


def png(image: Image.Image) -> bytes:
    """Return an image without loss."""
    file = io.BytesIO()
    image.save(file, "PNG")
    return file.getvalue()


def tmars_table(count: int) -> list[dict[str, Any]]:
    """Return mean scores before and after the text is painted out, by kind of pair, and what 0.6 keeps of each.

    "any text" is all that `TextBoxes` finds, "read text" only the lines that `Ocr` could read.
    """
    clip = Clip(str(ROOT / "clip/nano-clip.json"), Weights(str(ROOT / "clip/nano-clip.safetensors")), "squash")
    read = replace(clip, prefix="read_")
    kinds, samples = zip(*pairs(count), strict=True)
    stages = [TextBoxes(), Ocr(), clip, MaskedClip(clip), read, MaskedClip(read, boxes="ocr_lines")]
    table = measure(Pipeline(stages, FailureLimits(max_error_frac=None)), samples)
    scores = {name: table[column].to_numpy() for name, column in COLUMNS.items()}
    found = {
        "any text": table["text_area_frac"].to_numpy() > 0,
        "read text": np.array([bool(lines) for lines in table["ocr_lines"].to_pylist()]),
    }
    lines = []
    for kind in dict.fromkeys(kinds):
        rows = np.array([each == kind for each in kinds])
        line: dict[str, Any] = {"pair": kind, "samples": int(rows.sum())}
        line |= {name: round(float(each[rows].mean()), 3) for name, each in found.items()}
        for name, each in scores.items():
            line |= {
                name: round(float(each[rows].mean()), 3),
                f"{name} >= 0.6": round(float((each[rows] >= 0.6).mean()), 3),
            }
        lines.append(line)
    return lines
