"""Pixel budgets compared: the nano VLM on a mixed set, with hints and tiers from the nano detector and OCR.

Half of the images are plain, half are pages of many small things and signs (`nano.shards.mixed`). Experts read original
pixels once; then each budget captions the same images in the same engine. The nano VLM was trained on images of
112 to 336 px, so a fixed tier above 336 px is shown in both ways: in one piece, and in tiles of 336 px.

    python -m benchmarks.pixels [--count 24] [--seed 0] [--more] [--only 1008-in-tiles adaptive]
"""

import argparse
import dataclasses
import statistics
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from benchmarks.captions import cpu_seconds
from curate.captions.prompting.hints import Hints
from curate.captions.viewing.pixel_budget import PixelBudget
from curate.engines.vllm_engine import Vllm
from curate.experts.dense_caption import DenseCaption
from curate.experts.objects import Objects
from curate.experts.ocr import Ocr
from curate.models.weights import Weights
from curate.stages import Batch
from nano.evaluate.captions import ADAPTIVE, TILES
from nano.shards.mixed import Mixed, draw_mixed, score_captions
from pipelines.quickstart import DESCRIBE, HINTS
from schemas.objects import OBJECTS
from schemas.ocr import OCR

__all__ = ["main"]

NANO = Path("nano")
BUDGETS: dict[str, PixelBudget | int] = {
    "336": 336,
    "448": 448,
    "672": 672,
    "1008": 1008,
    "1008-in-tiles": dataclasses.replace(ADAPTIVE, fixed_px=1008),
    "adaptive": ADAPTIVE,
    "adaptive-two-grids": dataclasses.replace(ADAPTIVE, tiles=dataclasses.replace(TILES, second_grid=True)),
}
MORE: dict[str, PixelBudget | int] = {
    "672-in-tiles": dataclasses.replace(ADAPTIVE, fixed_px=672),
    "1008-in-tiles": dataclasses.replace(ADAPTIVE, fixed_px=1008),
    "adaptive": ADAPTIVE,
    "adaptive-all-texts": dataclasses.replace(ADAPTIVE, tiles=dataclasses.replace(TILES, agreed=False)),
    "adaptive-no-crowd": dataclasses.replace(ADAPTIVE, max_objects=None),
    "adaptive-objects": dataclasses.replace(ADAPTIVE, signals=("objects",)),
    "adaptive-text": dataclasses.replace(ADAPTIVE, signals=("text",)),
}


def main(arguments: Sequence[str] = ()) -> None:
    """Print one row per budget."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--count", type=int, default=24)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--more", action="store_true", help="variants of the adaptive budget instead of fixed ones")
    parser.add_argument("--only", nargs="+", help="names of budgets, as they are printed")
    parser.add_argument(
        "--model", default=str(NANO / "vlm"), help="another model that captions; a hub's name or a folder"
    )
    parser.add_argument("--gpus", type=float, default=0.0)
    parser.add_argument("--no-hints", action="store_true", help="tell the model nothing of what experts saw")
    args = parser.parse_args(list(arguments))
    drawn = draw_mixed(args.count, args.seed)
    start = time.perf_counter()
    batch = perceived(drawn)
    print(f"{args.count} images; detector and OCR took {time.perf_counter() - start:.1f} s")
    engine = Vllm(
        Weights(args.model),
        dtype="bfloat16",
        max_model_len=4096,
        max_pixels=1008 * 1008,
        max_num_seqs=64,
        enforce_eager=True,
        gpus=args.gpus,
    )
    expert = DenseCaption(engine, prompt=DESCRIBE, hints=Hints(blocks=()) if args.no_hints else HINTS, max_tokens=220)
    with_budget(expert, 336).load()(Batch(batch.table[:8], (), batch.images[:8]))  # warm up
    print("budget | object recall, precision, text recall | of pages | prompt tokens, views | images/s, per CPU second")
    for name, budget in (MORE if args.more else BUDGETS).items():
        if args.only and name not in args.only:
            continue
        print(row(name, with_budget(expert, budget), batch, drawn), flush=True)


def with_budget(expert: DenseCaption, budget: PixelBudget | int) -> DenseCaption:
    """Return the caption stage with a budget, or with a fixed longest side in px."""
    if isinstance(budget, int):
        return dataclasses.replace(expert, longest_side_px=budget)
    return dataclasses.replace(expert, budget=budget)


def perceived(drawn: Sequence[Mixed]) -> Batch:
    """Return the images as a batch with all that the hints and the choice of a tier read."""
    images = [np.asarray(mixed.image) for mixed in drawn]
    bare = Batch(pa.table({"uid": [f"{i:032x}" for i in range(len(images))]}), (), images)
    detector = Objects(Weights(str(NANO / "detector" / "nano-yolo.pt")), image_size_px=640, max_objects=64)
    found: dict[str, Any] = {**detector.load()(bare).columns, **Ocr().load()(bare).columns}
    sizes = {"image_width_px": [i.shape[1] for i in images], "image_height_px": [i.shape[0] for i in images]}
    columns = {field.name: pa.array(found[field.name], field.type) for field in (*OBJECTS, *OCR)}
    return Batch(pa.table({"uid": bare.table["uid"], **sizes, **columns}), (), images)


def row(name: str, expert: DenseCaption, batch: Batch, drawn: Sequence[Mixed]) -> str:
    """Caption all images with one budget and return its line of the table."""
    score = expert.load()
    start, before = time.perf_counter(), cpu_seconds()
    measured = score(batch)
    result: dict[str, Any] = dict(measured.columns)
    seconds, cpu = time.perf_counter() - start, cpu_seconds() - before
    for error in measured.errors or ():
        if error is not None:
            raise error
    chosen = Counter(zip(result["caption_pixels_reason"], result["caption_tier_px"], strict=True))
    tiers = ", ".join(f"{n} {reason} {side}" for (reason, side), n in sorted(chosen.items()))
    pages = [i for i, mixed in enumerate(drawn) if mixed.kind == "page"]
    parts = [
        figures(result["caption"], drawn),
        figures([result["caption"][i] for i in pages], [drawn[i] for i in pages]),
        f"{statistics.mean(result['caption_prompt_tokens']):5.0f} "
        f"{statistics.mean(n + (n > 0) or 1 for n in result['caption_tiles']):4.1f}",
        f"{len(drawn) / seconds:5.2f} {len(drawn) / cpu:5.2f}",
    ]
    return f"{name:18} | " + " | ".join(parts) + f" | {tiers}"


def figures(captions: Sequence[str], drawn: Sequence[Mixed]) -> str:
    """Return object recall, object precision and text recall."""
    return " ".join(f"{value:.3f}" for value in dataclasses.astuple(score_captions(captions, drawn)))


if __name__ == "__main__":
    import sys

    main(sys.argv[1:])
