"""What OCR reads and what it costs: images without text, nano scenes with a sign, and drawn pages of small text.

    python -m benchmarks.ocr

Each twice: with one look at 736 px, and with small lines read again from close by, as is the default. Seconds are those
of one CPU (the models run on one thread), so that other work on the machine counts little. Recall and precision are of
words, exact but for order.
"""

import argparse
import os
import random
import re
import time
from collections import Counter
from collections.abc import Sequence
from typing import Final, TypeAlias

import numpy as np
import pyarrow as pa
from PIL import Image, ImageDraw, ImageFont

from curate.experts.ocr import Ocr
from curate.pixels import decode, encode_jpeg
from curate.stages import Batch, Scorer
from nano.world.scenes import make_scene
from nano.world.vocabulary import SIGN_WORDS

__all__ = ["main"]

Drawn: TypeAlias = tuple[bytes, list[str]]
"""A JPEG, and the words in it."""

SEED: Final = 4_500_000_000_000
A4: Final = {150: (1240, 1754), 300: (2480, 3508)}  # pixels by dots per inch
LETTERS: Final = {150: (8, 10, 12, 16), 300: (12, 16, 24, 48)}  # font sizes in px


def main(arguments: Sequence[str] = ()) -> None:
    """Print one row per kind of image and way of reading."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--count", type=int, default=30, help="scenes of each kind")
    parser.add_argument("--lines", type=int, default=30, help="most lines of a page")
    args = parser.parse_args(list(arguments))
    os.environ["OMP_NUM_THREADS"] = "1"
    kinds = {
        "no text, 112-336 px": scenes(args.count, sign=False, enlarge=1),
        "no text, 1,008 px and more": scenes(args.count // 3, sign=False, enlarge=9),
        "signs, 112-336 px": scenes(args.count, sign=True, enlarge=1),
        "signs, 1,008 px and more": scenes(args.count // 3, sign=True, enlarge=9),
    }
    for dpi, sizes in LETTERS.items():
        kinds |= {f"A4 page, {dpi} dpi, {px} px letters": [page(A4[dpi], px, args.lines)] for px in sizes}
    ways = {"one look": Ocr(closer=None).load(), "default": Ocr().load()}
    print("kind | words | " + " | ".join(f"{way}: recall, precision, CPU s an image" for way in ways))
    for kind, drawn in kinds.items():
        figures = [measure(score, drawn) for score in ways.values()]
        print(f"{kind} | {sum(len(words) for _, words in drawn)} | " + " | ".join(figures), flush=True)


def measure(score: Scorer, drawn: Sequence[Drawn]) -> str:
    """Read images one by one, as from files, and return recall and precision of words, and seconds an image."""
    right = read = wanted = 0
    start = time.process_time()
    for payload, words in drawn:
        batch = Batch(pa.table({"uid": ["u"]}), (payload,), (decode(payload, Ocr().pixels),))
        found = Counter(split(score(batch).columns["ocr_text"][0]))
        right += (found & Counter(words)).total()
        read += found.total()
        wanted += len(words)
    seconds = (time.process_time() - start) / len(drawn)
    return f"{right / wanted if wanted else 1:.3f} {right / read if read else 1:.3f} {seconds:.2f}"


def scenes(count: int, *, sign: bool, enlarge: int) -> list[Drawn]:
    """Draw nano scenes with or without a sign, at so many times their size."""
    drawn: list[Drawn] = []
    for seed in range(SEED, SEED + 20 * count):
        image, scene = make_scene(seed)
        if (scene.sign is not None) == sign:
            large = image.resize((image.width * enlarge, image.height * enlarge), Image.Resampling.BICUBIC)
            drawn.append((jpeg(large), split(scene.sign.text if scene.sign else "")))
        if len(drawn) == count:
            break
    return drawn


def page(size: tuple[int, int], px: int, most: int) -> Drawn:
    """Draw a page of words in Pillow's own font, from the top on, at most so many lines."""
    chance, words = random.Random(px), []
    image = Image.new("RGB", size, "white")
    pen, font = ImageDraw.Draw(image), ImageFont.load_default(px)
    left, right = size[0] // 12, size[0] * 11 // 12
    for i in range(min(most, int((size[1] - 2 * left) / (1.5 * px)))):
        line: list[str] = []
        while left + pen.textlength(" ".join([*line, word := chance.choice(SIGN_WORDS)]), font=font) <= right:
            line.append(word)
        pen.text((left, left + int(1.5 * px * i)), " ".join(line), font=font, fill="black")
        words += line
    return jpeg(image), split(" ".join(words))


def jpeg(image: Image.Image) -> bytes:
    """Store as a file of good quality."""
    return encode_jpeg(np.asarray(image.convert("RGB")), 92)


def split(text: str) -> list[str]:
    """Return the words of a text, without marks and case."""
    return re.findall(r"\w+", text.casefold())


if __name__ == "__main__":
    import sys

    main(sys.argv[1:])
