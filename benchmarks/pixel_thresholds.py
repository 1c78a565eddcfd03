"""How large a thing must be to be seen: what `PixelBudget`'s min_object_px and min_line_px were read from.

Nano scenes are scaled down until their objects and letters are small. Objects: are they in the nano VLM's caption, made
without hints? Text: does PaddleOCR read the sign letter by letter? The size counts as sent: for an object the root of
the area of its box, for text the height of a line.

    python -m benchmarks.pixel_thresholds
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
from PIL import Image

from curate.captions.prompting.hints import Hints
from curate.engines.engine import Engine
from curate.experts.dense_caption import DenseCaption
from curate.experts.ocr import Ocr
from curate.stages import Batch, Pixels
from nano.world.annotation import Scene
from nano.world.scenes import make_scene
from nano.world.texts import mentioned
from pipelines.quickstart import DESCRIBE, vllm

__all__ = ["main"]

FIRST = 4_500_000_000_000  # no training script draws these seeds
SIDES = (112, 140, 168, 224, 280, 336)
EDGES = (10, 12, 14, 17, 20, 24, 28, 34, 40, 56)
Seen = Iterable[tuple[float, bool]]
"""Size in px, and whether it was seen."""


def main(scenes: int = 48) -> None:
    """Print the share that was seen per size, for objects and for lines of text."""
    drawn = [make_scene(FIRST + i) for i in range(scenes)]
    print_bins("objects in captions", objects_seen(drawn, vllm(str(Path("nano/vlm")))))
    signs = [pair for pair in (make_scene(FIRST + 10_000 + i) for i in range(2 * scenes)) if pair[1].sign]
    print_bins("signs read exactly", signs_read(signs[:scenes]))


def objects_seen(drawn: Sequence[tuple[Image.Image, Scene]], engine: Engine) -> Seen:
    """Yield every object that is alone in its class, at every size."""
    expert = DenseCaption(engine, prompt=DESCRIBE, hints=Hints(blocks=()), max_tokens=220)
    for side in SIDES:
        images = [scaled(image, side / max(image.size)) for image, _ in drawn]
        captions = expert.load()(batch(images)).columns["caption"]
        for shown, (image, scene), caption in zip(images, drawn, captions, strict=True):
            counts, names = scene.counts(), mentioned(caption)
            for thing in scene.objects:
                if counts[thing.name] == 1:
                    x0, y0, x1, y1 = thing.box
                    size = ((x1 - x0) * (y1 - y0)) ** 0.5 * shown.shape[1] / image.width
                    yield size, thing.name in names


def signs_read(drawn: Sequence[tuple[Image.Image, Scene]]) -> Seen:
    """Yield every sign that is read at full size, at every size; lines are measured at full size."""
    read = Ocr().load()
    full = read(batch([np.asarray(image) for image, _ in drawn]))
    found = []
    for lines, (image, scene) in zip(full.columns["ocr_lines"], drawn, strict=True):
        if scene.sign and letters(" ".join(line["text"] for line in lines)) == letters(scene.sign.text):
            height = min(line["box"][3] - line["box"][1] for line in lines) * image.height
            found.append((image, letters(scene.sign.text), height))
    for size in (8, 9, 11, 13, 15, 18, 22):
        images = [scaled(image, min(1.0, size / height)) for image, _, height in found]
        for (image, text, height), shown, text_read in zip(
            found, images, read(batch(images)).columns["ocr_text"], strict=True
        ):
            yield height * shown.shape[1] / image.width, letters(text_read) == text


def letters(text: str) -> str:
    """Return what counts of a sign's text: neither case nor blanks."""
    return re.sub(r"\s", "", text).casefold()


def scaled(image: Image.Image, scale: float) -> Pixels:
    """Return the image at another size."""
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    return np.asarray(image.resize(size, Image.Resampling.BICUBIC))


def batch(images: Sequence[Pixels]) -> Batch:
    """Return a batch of images that nothing is known of."""
    return Batch(pa.table({"uid": [f"{i:032x}" for i in range(len(images))]}), (), images)


def print_bins(title: str, seen: Seen) -> None:
    """Print the share that was seen, and of how many, between one edge and the next."""
    bins: dict[int, list[bool]] = defaultdict(list)
    for size, was_seen in seen:
        bins[int(np.searchsorted(EDGES, size, side="right"))].append(was_seen)
    print(title)
    for place, answers in sorted(bins.items()):
        low = EDGES[place - 1] if place else 0
        high = EDGES[place] if place < len(EDGES) else "..."
        print(f"  {low:>3} to {high:>3} px: {np.mean(answers):.3f} of {len(answers)}", flush=True)


if __name__ == "__main__":
    main()
