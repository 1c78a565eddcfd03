"""Precision and recall of near-duplicates on the user's own pictures, by what was done to them.

    python -m benchmarks.dedup FOLDER... [--most 500] [--held-out] [--surety 1.5] [--json FILE]

Each FOLDER holds pictures of one class (JPEG, PNG, WebP), named as the folder; what looks the same as an earlier one is
left out. Of each, one changed copy is planted per kind; then all are grouped by `NearDuplicates`. Recall: planted
copies in the group of their picture. Precision: pairs in one group that come from one picture. `--held-out` takes half
of the pictures, by a hash of their names: choose by the other half. `--drawn N` adds drawn pictures of each kind, and
scenes.
"""

import argparse
from pathlib import Path

from curate.corpus.near_duplicates import NearDuplicates
from nano.evaluate.copies_report import report
from nano.evaluate.drawn_pictures import all_drawn
from nano.evaluate.planted_copies import distinct, held_out, read_folder

__all__ = ["main"]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("folders", type=Path, nargs="+")
    parser.add_argument("--most", type=int, default=500, help="pictures of a folder")
    parser.add_argument("--drawn", type=int, default=0, help="drawn pictures of each kind")
    parser.add_argument("--held-out", action="store_true", help="only the half that nothing was fitted on")
    parser.add_argument("--surety", type=float, default=NearDuplicates().surety)
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    pictures = [picture for folder in asked.folders for picture in read_folder(folder, asked.most)]
    pictures += all_drawn(asked.drawn) if asked.drawn else []
    some = [picture for picture in distinct(pictures) if held_out(picture.name) or not asked.held_out]
    report(some, asked.surety, asked.json)


if __name__ == "__main__":
    main()
