"""Write pools of image-text pairs as a crawl has them, with the truth: two texts of three are no caption.

    python -m nano.proofs.pool out/proofs/pool --count 6000

A scene's text is drawn as the web's are (`nano.world.texts.web_alt_text`: good, dense, partial, spam, file name,
wrong); then `ELSEWHERE` of the samples take the text of another scene. A third is left that tells what is in the
image. `truth.jsonl` names the kind of each text; `elsewhere` is one that another scene's text replaced.
"""

import argparse
import json
import random
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from PIL import Image

from nano.shards.make import write_shards
from nano.shards.samples import Sample, encode, with_text
from nano.world.annotation import Scene
from nano.world.scenes import make_scene
from nano.world.tasks import short_target
from nano.world.texts import web_alt_text

__all__ = ["SIDE_PX", "held_out", "keys_of_captions", "write_held_out", "write_pool"]

FIRST_SCENE: Final = 7_000_000_000_000  # seeds that nothing else draws
FIRST_HELD_OUT: Final = 7_500_000_000_000
ELSEWHERE: Final = 0.4
CAPTIONS: Final = ("good", "dense")
SIDE_PX: Final = 224


def write_pool(out: Path, count: int) -> None:
    """Write `count` samples of `SIDE_PX` squared as shards, and `truth.jsonl`."""
    write_shards(out, [_draw(number, count) for number in range(count)])


def _draw(number: int, count: int) -> Sample:
    rng = random.Random(f"pool/{FIRST_SCENE + number}")
    image, scene = make_scene(FIRST_SCENE + number, (SIDE_PX, SIDE_PX))
    text, kind = web_alt_text(scene, rng)
    if rng.random() < ELSEWHERE:
        other = FIRST_SCENE + (number + rng.randrange(1, count)) % count
        text, kind = web_alt_text(make_scene(other, (SIDE_PX, SIDE_PX))[1], rng)[0], "elsewhere"
    return with_text(_sample(scene, encode(image, "JPEG")), kind, text)


def write_held_out(out: Path, count: int) -> None:
    """Write scenes of no pool with one canonical caption each: all objects and the background, not the sign."""
    samples = []
    for image, scene in held_out(range(count)):
        sample = _sample(scene, encode(image, "JPEG"))
        samples.append(with_text(sample, "good", short_target(replace(scene, sign=None))))
    write_shards(out, samples)


def held_out(numbers: Sequence[int]) -> list[tuple[Image.Image, Scene]]:
    """Return held-out images of `SIDE_PX` squared with their scenes."""
    return [make_scene(FIRST_HELD_OUT + number, (SIDE_PX, SIDE_PX)) for number in numbers]


def keys_of_captions(pool: Path) -> list[str]:
    """Return the keys of the samples whose text is a caption of their image, by the truth."""
    lines = [json.loads(line) for line in (pool / "truth.jsonl").read_text().splitlines()]
    return [line["key"] for line in lines if line["alt_kind"] in CAPTIONS]


def _sample(scene: Scene, image: bytes) -> Sample:
    return Sample(scene, image, "jpg", None, "")


def main() -> None:
    """Write a pool from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--count", type=int, default=6000)
    args = parser.parse_args()
    write_pool(args.out, args.count)


if __name__ == "__main__":
    main()
