"""Precision and recall of near-duplicates on the user's own pictures, by what was done to them.

    python -m benchmarks.dedup FOLDER [--most 500] [--surety 1.5] [--json FILE]

FOLDER holds distinct pictures (JPEG, PNG, WebP). Of each, one changed copy is planted per kind; then all are grouped by
`NearDuplicates`. Recall: planted pairs in one group. Precision: pairs in one group that come from one picture. The
last line is grouping by `image_phash` within 4 bits, as a comparison.
"""

import argparse
from pathlib import Path

from PIL import Image

from curate.corpus.near_duplicates import NearDuplicates
from curate.errors import SampleError
from curate.pixels import decode
from nano.evaluate.planted_copies import report

__all__ = ["main"]


def read_pictures(folder: Path, most: int) -> list[Image.Image]:
    """Return the first pictures of a folder by name, at most 640 px wide; those that cannot be read are left out."""
    found: list[Image.Image] = []
    for path in sorted(folder.rglob("*")):
        if path.is_file() and len(found) < most:
            try:
                image = Image.fromarray(decode(path.read_bytes(), 480))
            except SampleError:
                continue
            image.thumbnail((640, 640))
            found.append(image)
    return found


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--most", type=int, default=500)
    parser.add_argument("--surety", type=float, default=NearDuplicates().surety)
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    report(read_pictures(asked.folder, asked.most), asked.surety, asked.json)


if __name__ == "__main__":
    main()
