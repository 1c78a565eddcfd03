"""Measure the whole pipeline against the truth of the emojiworld: filters, duplicates, captions.

    python -m nano.evaluate.run out/quickstart

The first part reads a finished run of the quickstart over `nano/shards`. The second draws the held-out scenes of
`python -m nano.evaluate.models vlm`, with alt texts that tell neither places nor signs, and captions them twice with
the quickstart, with and without hints from its own experts. Tables are printed as Markdown; --json FILE keeps the
numbers.
"""

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from curate.errors import CurateError
from curate.inspect.query import query
from curate.recipe import build, find_recipe
from curate.run.runner import RunRequest, run
from curate.storage.store import Store
from nano.evaluate.caption_metrics import CaptionMetrics, caption_metrics
from nano.evaluate.defects import Fate, Place, Truth, defect_table, pair_table, tar_name
from nano.evaluate.models import HELD_OUT
from nano.shards.make import draw_clean, write_shards
from nano.shards.planting import PLANTS
from nano.world.annotation import Scene

SHARDS = Path(__file__).resolve().parents[1] / "shards"


def read_truth(path: Path) -> list[dict[str, Any]]:
    """Read `truth.jsonl`; see `nano.shards.make.truth_line`."""
    return [json.loads(line) for line in path.read_text().splitlines()]


def truths(lines: Sequence[Mapping[str, Any]]) -> list[Truth]:
    """Return what was planted in each sample."""
    return [
        Truth(
            (line["tar"], line["row"]),
            line["planted"],
            tuple(line["expected"]),
            line["duplicate_of"] and (line["duplicate_of"][0], line["duplicate_of"][1]),
        )
        for line in lines
    ]


def in_plant_order(planted: Sequence[Truth]) -> list[Truth]:
    """Sort by kind, as the kinds are listed in `nano.shards.planting`; clean ones first."""
    order = {plant.name: i for i, plant in reversed(list(enumerate(PLANTS)))}
    return sorted(planted, key=lambda truth: -1 if truth.planted is None else order[truth.planted])


def scenes(lines: Sequence[Mapping[str, Any]]) -> dict[Place, Scene]:
    """Return the scene of every readable image."""
    return {(line["tar"], line["row"]): Scene.from_dict(line["scene"]) for line in lines if line["scene"]}


def fates(store: Store) -> list[Fate]:
    """Return what the newest run did to each sample."""
    rows = query(store, 'SELECT shard, "row", dropped_by, error, image_sha256, image_phash FROM samples').to_pylist()
    return [
        Fate(
            (tar_name(row["shard"]), row["row"]),
            row["dropped_by"],
            row["error"],
            row["image_sha256"],
            row["image_phash"],
        )
        for row in rows
    ]


def captions(store: Store) -> dict[Place, str]:
    """Return the captions of the newest run."""
    rows = query(store, 'SELECT shard, "row", caption FROM samples WHERE caption IS NOT NULL').to_pylist()
    return {(tar_name(row["shard"]), row["row"]): row["caption"] for row in rows}


def caption_held_out(work: Path, count: int) -> dict[str, CaptionMetrics]:
    """Caption fresh scenes with and without hints; only samples that both runs captioned are compared.

    Both runs share a dataset folder, so the experts measure once.
    """
    shards, dataset = work / "shards", str(work / "dataset")
    write_shards(shards, draw_clean(count, HELD_OUT["vlm"]))
    truth = scenes(read_truth(shards / "truth.jsonl"))
    inputs, found = [str(shards / "world-*.tar")], {}
    for name, hints in (("held out, no hints", False), ("held out, hints", True)):
        pipeline, parameters = build(find_recipe("quickstart"), [f"hints={hints}", "pair_share=0"])
        run(RunRequest(pipeline, inputs, dataset, recipe="quickstart", parameters=parameters))
        found[name] = captions(Store(dataset))
    both = set.intersection(*(set(texts) for texts in found.values()))
    return {name: caption_metrics(texts, {place: truth[place] for place in both}) for name, texts in found.items()}


def markdown(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return a Markdown table with one line per row; the keys of the first row are the head."""

    def line(cells: Sequence[Any]) -> str:
        return "| " + " | ".join(_cell(cell) for cell in cells) + " |"

    names = list(rows[0])
    return "\n".join([line(names), line(["---"] * len(names)), *(line([row[name] for name in names]) for row in rows)])


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    return ", ".join(value) if isinstance(value, tuple) else str(value)


def evaluate(dataset: Path, truth: Path, work: Path, count: int) -> dict[str, list[dict[str, Any]]]:
    """Return the tables by title."""
    lines, store = read_truth(truth), Store(str(dataset))
    found, planted = fates(store), in_plant_order(truths(lines))
    tables = {
        "Planted samples": [asdict(line) for line in defect_table(found, planted)],
        "Duplicate pairs": [asdict(line) for line in pair_table(found, planted)],
    }
    written, known = captions(store), scenes(lines)
    shown = {place: scene for place, scene in known.items() if place in written}
    measured = {"sample shards": caption_metrics(written, shown)}
    if count:
        measured |= caption_held_out(work, count)
    tables["Captions"] = [{"images": name} | asdict(metrics) for name, metrics in measured.items()]
    return tables


def main() -> None:
    """Print the tables; exits with code 2 and one sentence if the dataset cannot be evaluated."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("dataset", type=Path, nargs="?", default=Path("out/quickstart"))
    parser.add_argument("--truth", type=Path, default=SHARDS / "truth.jsonl")
    parser.add_argument("--work", type=Path, default=Path("out/evaluate"), help="where held-out scenes are captioned")
    parser.add_argument("--held-out", type=int, default=256, help="number of fresh scenes; 0 skips that part")
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    try:
        tables = evaluate(args.dataset, args.truth, args.work, args.held_out)
    except (CurateError, FileNotFoundError) as error:
        print(f"{error}", file=sys.stderr)
        raise SystemExit(2) from None
    for title, rows in tables.items():
        print(f"\n### {title}\n\n{markdown(rows)}")
    if args.json:
        args.json.write_text(json.dumps(tables, indent=1) + "\n")


if __name__ == "__main__":
    main()
