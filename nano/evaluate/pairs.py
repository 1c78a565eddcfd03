"""Measure preference pairs of every kind against the truth of held-out scenes.

    python -m nano.evaluate.pairs --scenes 48

The nano VLM writes; the nano detector and the OCR are the evidence for edits, ranks and gates. Truth, which no stage
sees, measures both sides. "Not worse" is the share of pairs whose rejected text is as true and as complete as the
chosen one, or more so; "gated" is the share that `PairLengths` and `MinPairMargin` leave. Every kind is
tried on every scene, every corruption on the first few. Then the nano VLM judges a few pairs of each kind in both
orders. Prints Markdown.
"""

import argparse
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from curate.captions.checking.evidence import Evidence
from curate.captions.checking.image_evidence import ImageEvidence
from curate.captions.checking.lexicon import read_lexicon
from curate.captions.judging.judges import position_bias
from curate.captions.pairing.wording import COLOURS
from curate.captions.prompting.prompts import read_prompts
from curate.captions.viewing.corruptions import CORRUPTIONS, Corruptions
from curate.engines.engine import Engine
from curate.engines.vllm_engine import Vllm
from curate.experts.dense_caption import DenseCaption
from curate.experts.objects import Objects
from curate.experts.ocr import Ocr
from curate.experts.pair_evidence import PairEvidence
from curate.experts.pair_judge import PairJudge
from curate.experts.preference_pair import PreferencePair
from curate.models.weights import Weights
from curate.stages import Pixels
from filters.min_pair_margin import MinPairMargin
from filters.pair_lengths import PairLengths
from nano.evaluate.caption_metrics import caption_metrics
from nano.evaluate.measuring import add_columns
from nano.evaluate.models import HELD_OUT
from nano.evaluate.run import markdown
from nano.world.annotation import Scene
from nano.world.scenes import make_scene
from pipelines.quickstart import HINTS
from schemas.preference import EDIT_KINDS, PAIR_KINDS

HERE = Path(__file__).resolve().parents[1]
EVIDENCE = Evidence(read_lexicon(str(HERE / "lexicon.toml")))
MEASURES = ("object_recall", "object_precision", "sign_text_recall", "count_accuracy", "position_accuracy")
BASIC = re.compile(r"\b(" + "|".join(COLOURS) + r"|grey)\b", re.IGNORECASE)


def pairs_of(kind: str, engine: Engine, table: pa.Table, images: Sequence[Pixels]) -> pa.Table:
    """Return one kind of pair for every scene that allows it, with its evidence; `kind` may name a corruption."""
    corruption = Corruptions((kind,)) if kind in CORRUPTIONS else Corruptions()
    pair = PreferencePair(
        None if kind in EDIT_KINDS else engine,
        kinds=(("corrupted_image" if kind in CORRUPTIONS else kind, 1),),
        chosen=read_prompts(HERE / "prompts" / "stic-steps.toml")[0],
        misleading=read_prompts(HERE / "prompts" / "stic-misleading.toml"),
        neutral=read_prompts(HERE / "prompts" / "stic-neutral.toml"),
        corruptions=corruption,
        sample_temperature=1.0,
        evidence=EVIDENCE,
        longest_side_px=336,
        max_tokens=220,
    )
    made = add_columns(PairEvidence(EVIDENCE), add_columns(pair, table, images), images)
    return made.append_column("gated", gates(made))


def gates(table: pa.Table) -> pa.Array:
    """Return what both gates say, false where one cannot measure."""
    kept = [rule.keep(table).to_pylist() for rule in (PairLengths(), MinPairMargin())]
    return pa.array([all(one) for one in zip(*kept, strict=True)])


def is_worse(kind: str, row: Mapping[str, Any], scene: Scene) -> bool:
    """Tell whether truth finds the rejected text worse: by its statements, or by its colours where they were edited."""
    if kind == "wrong_attribute":
        return false_colours(row["pair_rejected"], scene) > false_colours(row["pair_chosen"], scene)
    seen = true_evidence(scene)
    return (seen.score(row["pair_rejected"]) or 0) < (seen.score(row["pair_chosen"]) or 0)


def true_evidence(scene: Scene) -> ImageEvidence:
    """Return what a perfect detector and a perfect OCR would see."""
    size = (scene.width, scene.height) * 2
    boxes = [[value / side for value, side in zip(thing.box, size, strict=True)] for thing in scene.objects]
    objects = [{"label": t.name, "box": box, "score": 1.0} for t, box in zip(scene.objects, boxes, strict=True)]
    lines = [{"text": scene.sign.text, "box": [0.0, 0.0, 1.0, 1.0], "score": 1.0}] if scene.sign else []
    return ImageEvidence(EVIDENCE, objects, lines)


def false_colours(text: str, scene: Scene) -> int:
    """Count the colour words of a text that are of neither background nor sign."""
    true = " ".join([*scene.colours, scene.sign.colour if scene.sign else ""]).lower()
    return sum(word.lower() not in true for word in BASIC.findall(re.sub(r'"[^"]*"', "", text)))


def line(kind: str, made: pa.Table, scenes: Mapping[str, Scene]) -> dict[str, Any]:
    """Return a row of the table: both sides measured by truth, and what the gates leave."""
    rows = [row for row in made.to_pylist() if row["pair_kind"] is not None]
    shown = {row["uid"]: scenes[row["uid"]] for row in rows}
    sides = [
        asdict(caption_metrics({row["uid"]: row[f"pair_{side}"] for row in rows}, shown))
        for side in ("chosen", "rejected")
    ]
    worse = [is_worse(kind, row, scenes[row["uid"]]) for row in rows]
    kept = [ok for row, ok in zip(rows, worse, strict=True) if row["gated"]]
    both = {name: f"{_cell(sides[0][name])} / {_cell(sides[1][name])}" for name in MEASURES}
    words = f"{sides[0]['words_per_caption']} / {sides[1]['words_per_caption']}"
    return {
        "kind": kind,
        "pairs": len(rows),
        **both,
        "words": words,
        "not worse": share(worse.count(False), len(worse)),
        "gated": share(len(kept), len(rows)),
        "not worse, gated": share(kept.count(False), len(kept)),
    }


def share(part: int, whole: int) -> float | None:
    """Return a fraction, None of nothing."""
    return round(part / whole, 3) if whole else None


def _cell(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"


def judge_line(name: str, judge: PairJudge, table: pa.Table, images: Sequence[Pixels]) -> dict[str, Any]:
    """Return what a judge says of pairs whose chosen text is better by truth."""
    judgements = add_columns(judge, table, images)
    preferences = judgements["pair_judge_preference"].to_pylist()
    counts = {kind: share(preferences.count(kind), len(preferences)) for kind in ("chosen", "rejected", "tie")}
    return {"judge": name, **asdict(position_bias(judgements.to_pylist())), **counts}


def judged(engine: Engine, table: pa.Table, images: Sequence[Pixels]) -> list[dict[str, Any]]:
    """Return the lines of the nano VLM as a judge: guided and free."""
    guided = PairJudge(engine, longest_side_px=336)
    return [
        judge_line("nano VLM, guided JSON", guided, table, images),
        judge_line(
            "nano VLM, free text",
            PairJudge(engine, structured=False, longest_side_px=336, max_tokens=60),
            table,
            images,
        ),
    ]


def evaluate(count: int, corrupted: int, judge_pairs: int) -> dict[str, list[dict[str, Any]]]:
    """Return the tables by title."""
    drawn_images, drawn = zip(*(make_scene(HELD_OUT["vlm"] + i) for i in range(count)), strict=True)
    images = [np.asarray(image) for image in drawn_images]
    uids = [f"{i:032x}" for i in range(count)]
    scenes = dict(zip(uids, drawn, strict=True))
    engine = Vllm(Weights(str(HERE / "vlm")), "bfloat16", 2048, max_num_seqs=64, enforce_eager=True, gpus=0)
    describe = read_prompts(HERE / "prompts" / "describe.toml")[0]
    table = pa.table({"uid": uids})
    for expert in (
        Objects(Weights(str(HERE / "detector" / "nano-yolo.pt")), image_size_px=320),
        Ocr(),
        DenseCaption(engine, prompt=describe, hints=HINTS, longest_side_px=336, max_tokens=220),
    ):
        table = add_columns(expert, table, images)
    kinds = [kind for kind in PAIR_KINDS if kind != "corrupted_image"]
    made = {kind: pairs_of(kind, engine, table[:corrupted], images[:corrupted]) for kind in CORRUPTIONS}
    made |= {kind: pairs_of(kind, engine, table, images) for kind in kinds}
    tables = {"Pairs by kind": [line(kind, pairs, scenes) for kind, pairs in made.items()]}
    if judge_pairs:
        names = ["uid", "pair_prompt", "pair_chosen", "pair_rejected", "gated"]
        some = pa.concat_tables(pairs.select(names).slice(0, judge_pairs) for pairs in made.values())
        some = some.filter(some["gated"])
        shown = [images[uids.index(uid)] for uid in some["uid"].to_pylist()]
        tables["The nano VLM as a judge of gated pairs"] = judged(engine, some, shown)
    return tables


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--scenes", type=int, default=48)
    parser.add_argument("--corrupted", type=int, default=16, help="scenes that each corruption is tried on")
    parser.add_argument("--judge", type=int, default=4, help="pairs of each kind that the nano VLM judges; 0: none")
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    tables = evaluate(args.scenes, args.corrupted, args.judge)
    for title, rows in tables.items():
        print(f"\n### {title}\n\n{markdown(rows)}")
    if args.json:
        args.json.write_text(json.dumps(tables, indent=1) + "\n")


if __name__ == "__main__":
    main()
