"""One table of what the caption engine is worth, on scenes that no prompt, hint or model was chosen on.

    python -m nano.evaluate.captions

Captions by the real experts and the real vLLM with the nano VLM: without hints, with hints, with hints and everything
that checks the text; then at fixed and at adaptive pixels on large images, half of them pages. Then the better and
the worse side of preference pairs of every kind, and what the gates leave. --json FILE keeps the numbers.
"""

import argparse
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from curate.captions.checking.evidence import Evidence
from curate.captions.checking.lexicon import read_lexicon
from curate.captions.prompting.hints import Hints
from curate.captions.viewing.pixel_budget import PixelBudget, Tiling
from curate.engines.vllm_engine import Vllm
from curate.experts.caption_evidence import CaptionEvidence
from curate.experts.dense_caption import DenseCaption
from curate.experts.image_facts import ImageFacts
from curate.experts.objects import Objects
from curate.experts.ocr import Ocr
from curate.experts.repair_caption import RepairCaption
from curate.stages import Filter, Pixels, Stage
from filters.caption_clean import CaptionClean
from filters.max_wrong_claims import MaxWrongClaims
from filters.min_text_recall import MinTextRecall
from nano.evaluate.caption_metrics import caption_metrics
from nano.evaluate.evidence import LEXICON
from nano.evaluate.measuring import add_columns
from nano.evaluate.models import HELD_OUT
from nano.evaluate.pairs import evaluate as pair_tables
from nano.evaluate.repair import REPAIR
from nano.evaluate.run import markdown
from nano.shards.make import draw_clean
from nano.shards.mixed import draw_mixed, score_captions
from nano.shards.samples import decode, encode
from pipelines.quickstart import quickstart

FIRST = HELD_OUT["vlm"] + 100_000  # the scenes before were looked at when hints were chosen
TILES = Tiling(tile_px=336, max_tiles=9, merge=None, agreed=True)
ADAPTIVE = PixelBudget(sides_px=(336,), tiles=TILES, max_objects=5)  # as many as the VLM was trained on
METRICS = ("object_recall", "object_precision", "text_recall", "count_accuracy", "position_accuracy", "words")
Judge: TypeAlias = Callable[[Mapping[int, str]], Mapping[str, Any]]
"""Measures captions, by the number of their image, against the truth."""


@dataclass(frozen=True, slots=True)
class Held:
    """Decoded images, one row for each with what perception measured, and who knows the truth."""

    images: Sequence[Pixels]
    table: pa.Table
    judge: Judge


def held_scenes(count: int) -> Held:
    """Draw scenes, and let the quickstart's perception experts look at them."""
    samples = draw_clean(count, FIRST)
    scenes = {number: sample.scene for number, sample in enumerate(samples) if sample.scene}

    def judge(captions: Mapping[int, str]) -> Mapping[str, Any]:
        keyed = {str(number): text for number, text in captions.items()}
        found = caption_metrics(keyed, {str(number): scenes[number] for number in captions})
        return asdict(found) | {"text_recall": found.sign_text_recall, "words": found.words_per_caption}

    images = [np.asarray(decode(sample)) for sample in samples]
    texts = [sample.text.decode() if sample.text else None for sample in samples]
    return Held(images, perceive([sample.image or b"" for sample in samples], images, texts, 320), judge)


def held_mixed(count: int) -> Held:
    """Draw large images, plain ones and pages; see `nano.shards.mixed`."""
    drawn = draw_mixed(count, seed=1)

    def judge(captions: Mapping[int, str]) -> Mapping[str, Any]:
        found = asdict(score_captions(list(captions.values()), [drawn[number] for number in captions]))
        return found | {"words": round(float(np.mean([len(text.split()) for text in captions.values()])), 1)}

    images = [np.asarray(mixed.image) for mixed in drawn]
    return Held(images, perceive([encode(mixed.image, "JPEG") for mixed in drawn], images, [None] * count, 640), judge)


def perceive(
    payloads: Sequence[bytes], images: Sequence[Pixels], texts: Sequence[str | None], detector_px: int
) -> pa.Table:
    """Return the columns of the quickstart's perception experts for images with alt texts."""
    table = pa.table(
        {"uid": [f"{number:032x}" for number in range(len(images))], "alt_text": pa.array(texts, pa.string())}
    )
    for stage in quickstart().stages:
        if isinstance(stage, ImageFacts | Ocr | Objects):
            expert = replace(stage, image_size_px=detector_px) if isinstance(stage, Objects) else stage
            table = add_columns(expert, table, images, payloads)
    return table


@dataclass(frozen=True, slots=True)
class Setting:
    """Stages that write and check captions; `text` is the column that is judged."""

    name: str
    stages: tuple[Stage, ...]
    text: str = "caption"


def figures(setting: Setting, held: Held) -> dict[str, Any]:
    """Return the metrics of the captions that a setting keeps, and what one image costs."""
    table, count, began = held.table, len(held.images), time.perf_counter()
    kept = np.ones(count, bool)
    for stage in setting.stages:
        if isinstance(stage, Filter):
            kept &= pc.fill_null(stage.keep(table), False).to_numpy(zero_copy_only=False)
        else:
            table = add_columns(stage, table, held.images)
    seconds, texts = time.perf_counter() - began, table[setting.text].to_pylist()
    found = held.judge({int(number): texts[number] for number in np.flatnonzero(kept)})
    return {
        "setting": setting.name,
        "kept": f"{kept.sum()} of {count}",
        **{name: found.get(name) for name in METRICS},
        "prompt_tokens": round(total(table, "prompt_tokens") / count),
        "tokens": round(total(table, "completion_tokens") / count, 1),
        "images_per_s": round(count / seconds, 1),
    }


def total(table: pa.Table, ending: str) -> int:
    """Return the sum of all columns that count tokens of this kind, of every stage."""
    return sum(pc.sum(table[name]).as_py() or 0 for name in table.column_names if name.endswith(ending))


def checked(fused: DenseCaption) -> tuple[Stage, ...]:
    """Return the stages that check what `fused` writes, ask again where it is wrong, and drop what stays wrong."""
    evidence = Evidence(read_lexicon(str(LEXICON)))
    repair = RepairCaption(
        fused.engine,
        REPAIR,
        made_by=fused.prompt,
        hints=fused.hints,
        evidence=evidence,
        allow=("stock_opener",),
        longest_side_px=fused.longest_side_px,
        max_tokens=fused.max_tokens,
    )
    final = "final_caption"
    gates = (CaptionClean(("stock_opener",), f"{final}_marks"), MaxWrongClaims(0, final), MinTextRecall(0.5, final))
    return (fused, repair, CaptionEvidence(final, evidence), *gates)


def scene_rows(count: int, fused: DenseCaption) -> list[dict[str, Any]]:
    """Return the lines of the scenes: what hints are worth, and what checking is worth on top of them."""
    held = held_scenes(count)
    add_columns(fused, held.table.slice(0, 8), held.images[:8])  # warm-up
    settings = (
        Setting("no hints", (replace(fused, hints=Hints(blocks=())),)),
        Setting("hints", (fused,)),
        Setting("hints, guards, evidence, repair", checked(fused)[:2], "final_caption"),
        Setting("the same, what the gates keep", checked(fused), "final_caption"),
    )
    return [figures(setting, held) for setting in settings]


def pixel_rows(count: int, fused: DenseCaption) -> list[dict[str, Any]]:
    """Return the lines of the large images: fixed and adaptive pixels, in an engine that takes 1,008 px."""
    held = held_mixed(count)
    engine = Vllm(
        fused.engine.model, "bfloat16", 4096, max_pixels=1008 * 1008, max_num_seqs=64, enforce_eager=True, gpus=0
    )
    wide = replace(fused, engine=engine, longest_side_px=1008)
    add_columns(replace(wide, longest_side_px=336), held.table.slice(0, 4), held.images[:4])
    settings = (
        Setting("large images: fixed 336 px", (replace(wide, longest_side_px=336),)),
        Setting("large images: fixed 1008 px", (wide,)),
        Setting("large images: 1008 px in tiles", (replace(wide, budget=replace(ADAPTIVE, fixed_px=1008)),)),
        Setting("large images: adaptive pixels", (replace(wide, budget=ADAPTIVE),)),
    )
    return [figures(setting, held) for setting in settings]


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--scenes", type=int, default=96)
    parser.add_argument("--large", type=int, default=16, help="large images, half of them pages")
    parser.add_argument("--pairs", type=int, default=32, help="scenes that every kind of pair is tried on")
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    fused = next(stage for stage in quickstart().stages if isinstance(stage, DenseCaption))
    tables = {"Captions": scene_rows(args.scenes, fused) + pixel_rows(args.large, fused)}
    tables["Pairs: chosen / rejected"] = pair_tables(args.pairs, min(args.pairs, 16), 0)["Pairs by kind"]
    for title, rows in tables.items():
        print(f"\n### {title}\n\n{markdown(rows)}")
    if args.json:
        args.json.write_text(json.dumps(tables, indent=1) + "\n")


if __name__ == "__main__":
    main()
