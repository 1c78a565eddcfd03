"""Measure what asking again is worth: captions that the nano VLM was led to invent things in, verified and repaired.

    python -m nano.evaluate.repair --count 64

The model describes held-out scenes under a misleading prompt. Then each class it names is verified at two scales, once
with the true boxes and once without any, and each caption that evidence contradicts is asked for again with the hints.
Boxes and lines are the scenes' own. Prints Markdown.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from curate.captions.checking.evidence import Evidence
from curate.captions.checking.lexicon import read_lexicon
from curate.captions.prompting.hints import Hints
from curate.captions.prompting.prompts import read_prompt
from curate.experts.dense_caption import DenseCaption
from curate.experts.repair_caption import RepairCaption
from curate.experts.verify_objects import VerifyObjects
from nano.evaluate.caption_metrics import caption_metrics
from nano.evaluate.evidence import LEXICON, boxes, lines
from nano.evaluate.measuring import add_columns
from nano.evaluate.models import HELD_OUT
from nano.evaluate.run import markdown
from nano.world.annotation import Scene
from nano.world.scenes import make_scene
from pipelines.quickstart import HINTS, MISLEADING, vllm
from schemas.objects import OBJECTS
from schemas.ocr import OCR

PROMPTS = Path(__file__).resolve().parents[1] / "prompts"
VERIFY, REPAIR = read_prompt(str(PROMPTS / "verify.toml")), read_prompt(str(PROMPTS / "repair.toml"))
WEIGHTS = Path(__file__).resolve().parents[1] / "vlm"


def verify_expert(engine: Any) -> VerifyObjects:
    """Return the verification of the nano world."""
    return VerifyObjects(
        engine, VERIFY, _evidence(), longest_side_px=336, zoom_side_px=336, decode_side_px=336, detail=None
    )


def repair_expert(engine: Any, *, verified: bool = False) -> RepairCaption:
    """Return the repair of the nano world."""
    return RepairCaption(
        engine,
        REPAIR,
        made_by=MISLEADING[1],
        hints=HINTS,
        evidence=_evidence(),
        allow=("stock_opener",),
        verified=verified,
        longest_side_px=336,
        detail=None,
        max_tokens=220,
    )


def scene_table(scenes: Sequence[Scene]) -> pa.Table:
    """Return the columns that the experts read of each scene, by truth."""
    return pa.table(
        {
            "uid": [str(scene.seed) for scene in scenes],
            "objects": pa.array([boxes(scene) for scene in scenes], OBJECTS.field("objects").type),
            "ocr_lines": pa.array([lines(scene) for scene in scenes], OCR.field("ocr_lines").type),
        }
    )


def verification(table: pa.Table, scenes: Sequence[Scene]) -> dict[str, Any]:
    """Return how often each look is right about a class that a caption names."""
    looks = {"whole image": "full_yes", "closer look": "zoom_yes"}
    right, asked, agreed, agreed_right = dict.fromkeys(looks, 0), 0, 0, 0
    for answers, scene in zip(table["verified_objects"].to_pylist(), scenes, strict=True):
        for one in answers:
            there = one["label"] in scene.counts()
            asked += 1
            for name, column in looks.items():
                right[name] += one[column] == there
            agreed += bool(one["agree"])
            agreed_right += bool(one["agree"]) and one["full_yes"] == there
    shares = {name: round(number / asked, 3) for name, number in right.items()}
    tokens = sum(table["verify_prompt_tokens"].to_pylist()) / max(1, asked)
    return (
        {"asked": asked}
        | shares
        | {
            "agree": round(agreed / asked, 3),
            "right where they agree": round(agreed_right / max(1, agreed), 3),
            "prompt tokens an object": round(tokens),
        }
    )


def caption_row(name: str, texts: Sequence[str], scenes: Sequence[Scene]) -> dict[str, Any]:
    """Return the figures of some captions."""
    metrics = caption_metrics(
        {str(i): text for i, text in enumerate(texts)}, {str(i): scene for i, scene in enumerate(scenes)}
    )
    figures = ("object_precision", "object_recall", "position_accuracy", "sign_text_recall", "words_per_caption")
    return {"captions": name} | {figure: getattr(metrics, figure) for figure in figures}


def _evidence() -> Evidence:
    return Evidence(read_lexicon(str(LEXICON)))


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--count", type=int, default=64, help="number of held-out scenes")
    args = parser.parse_args()
    drawn = [make_scene(HELD_OUT["vlm"] + i) for i in range(args.count)]
    images, scenes = [np.asarray(image) for image, _ in drawn], [scene for _, scene in drawn]
    engine = vllm(str(WEIGHTS))
    led = DenseCaption(engine, MISLEADING[1], Hints(blocks=()), longest_side_px=336, max_tokens=220)
    table = add_columns(led, scene_table(scenes), images)
    blank = table.set_column(
        table.column_names.index("objects"), "objects", pa.nulls(len(scenes), OBJECTS.field("objects").type)
    )
    verified = add_columns(verify_expert(engine), table, images)
    rows = [
        {"boxes": "true boxes"} | verification(verified, scenes),
        {"boxes": "none (quarters)"} | verification(add_columns(verify_expert(engine), blank, images), scenes),
    ]
    print(f"\n### Verification, {args.count} scenes\n\n{markdown(rows)}")
    repaired = add_columns(repair_expert(engine, verified=True), verified, images)
    outcomes = repaired["repair_outcome"].to_pylist()
    rows = [
        caption_row("first, misled", table["caption"].to_pylist(), scenes),
        caption_row("final", repaired["final_caption"].to_pylist(), scenes),
    ]
    counts = {name: outcomes.count(name) for name in sorted(set(outcomes))}
    faults = [sum(repaired[f"repair_faults_{when}"].to_pylist()) for when in ("before", "after")]
    print(f"\n### Repair: {counts}, faults {faults[0]} before and {faults[1]} after\n\n{markdown(rows)}")


if __name__ == "__main__":
    main()
