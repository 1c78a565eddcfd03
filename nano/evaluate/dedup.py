"""Precision and recall of near-duplicates on scenes of the emojiworld, by what was done to them.

    python -m nano.evaluate.dedup [--count 200] [--json FILE]

The scenes are those of `nano.shards.make.draw_clean`: few kinds of objects on a ground of one colour, so that other
scenes look more alike than photographs do. What is planted is that of `benchmarks.dedup`, which does the same for the
user's own pictures.
"""

import argparse
from pathlib import Path

from PIL import Image

from curate.corpus.near_duplicates import NearDuplicates
from curate.pixels import decode
from nano.evaluate.copies_report import report
from nano.evaluate.planted_copies import Picture
from nano.shards.make import draw_clean

__all__ = ["main"]

FIRST = 90_000  # seed of the first scene: none that the matcher was fitted on


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--surety", type=float, default=NearDuplicates().surety)
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    images = [sample.image for sample in draw_clean(asked.count, FIRST)]
    decoded = [Image.fromarray(decode(image, 0)) for image in images if image]
    pictures = [Picture(image, "emojiworld", f"scene {i}") for i, image in enumerate(decoded)]
    report(pictures, asked.surety, asked.json)


if __name__ == "__main__":
    main()
