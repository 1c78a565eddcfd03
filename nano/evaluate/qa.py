"""Measure generated questions and answers against the truth of the emojiworld.

    python -m nano.evaluate.qa --scenes 128                 # evidence from the truth, one claim in ten made wrong
    python -m nano.evaluate.qa --dataset out/quickstart     # evidence of the real detector and OCR, from a finished run

The nano VLM answers in this process, first with the image, then with a grey one and with none. Tables are printed as
Markdown; --json FILE keeps the numbers.
"""

import argparse
import io
import json
import random
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from PIL import Image, ImageOps

from curate.captions.checking.lexicon import read_lexicon
from curate.captions.questioning.blind import BlindPrompt, blind_rates, gain, scores
from curate.captions.questioning.phrases import read_phrases
from curate.captions.questioning.questions import Templates
from curate.captions.questioning.verifiers import QaVerifiers, holds
from curate.engines.engine import Engine
from curate.errors import CurateError
from curate.experts.blind_answers import BlindAnswers
from curate.experts.caption_qa import CaptionQA
from curate.experts.select_questions import SelectQuestions
from curate.inspect.query import query
from curate.inspect.show import image_bytes
from curate.stages import Batch, Expert, Pixels
from curate.storage.store import Store
from nano.evaluate.defects import tar_name
from nano.evaluate.models import HELD_OUT
from nano.evaluate.run import SHARDS, markdown, read_truth, scenes
from nano.world.annotation import Scene, Thing
from nano.world.scenes import make_scene
from nano.world.texts import fake_object
from pipelines.quickstart import vllm
from schemas.blind import BLIND
from schemas.objects import OBJECTS
from schemas.ocr import OCR
from schemas.question import QUESTIONS
from schemas.sample import SAMPLE

ROOT = Path(__file__).resolve().parents[1]
Row = dict[str, Any]
Box = Sequence[float]


@dataclass(frozen=True, slots=True)
class Line:
    """Questions of one kind: how many, and shares of expected, given, verified and kept answers that are true."""

    kind: str
    asked: int
    evidence_right: float | None
    answers_right: float | None
    verified: int
    verified_right: float | None
    kept: int
    kept_right: float | None
    right_lost: float | None  # of the right answers, those that verification turned away


def truth_of(question: Mapping[str, Any], scene: Scene) -> str | None:
    """Return the true answer to a question from a template, as a label; None if the scene does not tell."""
    counts, subject = scene.counts() | ({"sign": 1} if scene.sign else {}), question["subject"]
    if question["kind"] == "text":
        return scene.sign.text if scene.sign else None
    if subject is None:
        return None
    if question["kind"] == "count":
        return str(counts.get(subject, 0))
    return ("yes" if subject in counts else "no") if question["kind"] == "yes_no" else None


def accuracy(rows: Sequence[Row], truths: Sequence[Scene]) -> list[Line]:
    """Return one line per kind, then one over all; `rows` have `qa`, and `qa_kept` where the gate ran."""
    found: dict[str, list[tuple[bool, bool, bool, bool]]] = {}
    verifiers = QaVerifiers()
    for row, scene in zip(rows, truths, strict=True):
        kept = {(one["question"], one["answer"]) for one in row.get("qa_kept") or ()}
        for one in row["qa"] or ():
            verifier, truth = verifiers.of(one["kind"]), truth_of(one, scene)
            right = truth is not None and bool(holds(verifier, one["answer"], truth))
            expected = truth is not None and bool(holds(verifier, one["expected"], truth))
            mark = expected, right, bool(one["verified"]), (one["question"], one["answer"]) in kept
            for kind in (one["kind"], "all"):
                found.setdefault(kind, []).append(mark)
    return [_line(kind, found[kind]) for kind in sorted(found, key=lambda kind: (kind == "all", kind))]


def _line(kind: str, marks: Sequence[tuple[bool, bool, bool, bool]]) -> Line:
    verified = [right for _, right, is_verified, _ in marks if is_verified]
    kept = [right for _, right, _, is_kept in marks if is_kept]
    right = [is_verified for _, is_right, is_verified, _ in marks if is_right]
    return Line(
        kind,
        len(marks),
        _share([expected for expected, *_ in marks]),
        _share([one[1] for one in marks]),
        len(verified),
        _share(verified),
        len(kept),
        _share(kept),
        _share([not is_verified for is_verified in right]),
    )


def _share(values: Sequence[bool]) -> float | None:
    return round(sum(values) / len(values), 3) if values else None


def evidence(scene: Scene, rng: random.Random, wrong: float) -> Row:
    """Return `objects` and `ocr_lines` as perfect experts would, but for a share `wrong` of claims.

    A wrong object is one more, one less, or one of another class; a wrong text is another word.
    """
    things = list(scene.objects)
    for thing in scene.objects:
        if rng.random() < wrong:
            what = rng.choice(["more", "less", "other"])
            if what != "more":
                things.remove(thing)
            if what != "less":
                things.append(fake_object(scene, rng) if what == "other" else thing)
    text = scene.sign.text if scene.sign else None
    if text and rng.random() < wrong:
        text = "Closed " + text[::-1]
    lines = [{"text": text, "box": _fractions(scene.sign.box, scene), "score": 0.99}] if text and scene.sign else []
    return {"objects": [_detection(thing, scene) for thing in things], "ocr_lines": lines}


def _detection(thing: Thing, scene: Scene) -> Row:
    return {"label": thing.name, "box": _fractions(thing.box, scene), "score": 0.95}


def _fractions(box: Box, scene: Scene) -> list[float]:
    return [box[0] / scene.width, box[1] / scene.height, box[2] / scene.width, box[3] / scene.height]


def question_expert(engine: Engine) -> CaptionQA:
    """Return the expert of the recipe caption_qa for the nano world, without written questions."""
    return CaptionQA(
        engine,
        templates=Templates(read_phrases(str(ROOT / "questions.toml"))),
        writer=None,
        lexicon=read_lexicon(str(ROOT / "lexicon.toml")),
        sources=("objects", "ocr"),
        longest_side_px=336,
    )


def drawn_rows(count: int, wrong: float) -> tuple[list[Row], list[Scene], list[Pixels]]:
    """Return held-out scenes with evidence from their truth."""
    drawn, rng = [make_scene(HELD_OUT["vlm"] + i) for i in range(count)], random.Random(11)
    truths = [scene for _, scene in drawn]
    rows = [{"uid": f"{i:032x}", "alt_text": None} | evidence(scene, rng, wrong) for i, scene in enumerate(truths)]
    return rows, truths, [np.asarray(image) for image, _ in drawn]


def measured_rows(dataset: Path, truth: Path, count: int) -> tuple[list[Row], list[Scene], list[Pixels]]:
    """Return samples of a finished run over `nano/shards` with what its detector and OCR saw."""
    store, known = Store(str(dataset)), scenes(read_truth(truth))
    sql = (
        'SELECT shard, "row", uid, alt_text, objects, ocr_lines FROM samples WHERE dropped_by IS NULL AND error IS NULL'
    )
    found = query(store, f"{sql} AND objects IS NOT NULL AND ocr_lines IS NOT NULL ORDER BY uid").to_pylist()
    rows = [row for row in found if (tar_name(row["shard"]), row["row"]) in known][:count]
    images = []
    for row in rows:
        with Image.open(io.BytesIO(image_bytes(store, row["uid"]))) as image:
            images.append(np.asarray(ImageOps.exif_transpose(image).convert("RGB")))
    return rows, [known[tar_name(row["shard"]), row["row"]] for row in rows], images


def asked(engine: Engine, rows: Sequence[Row], images: Sequence[Pixels]) -> list[Row]:
    """Return the rows with their questions, answered with the image."""
    fields = [pa.field("uid", pa.string()), SAMPLE.field("alt_text"), OBJECTS.field("objects"), OCR.field("ocr_lines")]
    table = pa.Table.from_pylist([{f.name: row[f.name] for f in fields} for row in rows], schema=pa.schema(fields))
    return _with(rows, question_expert(engine), Batch(table, (), images))


def gated(engine: Engine, rows: Sequence[Row], grey: bool) -> list[Row]:
    """Return the rows with what the same model answers without the image, and what the gate keeps."""
    qa = question_expert(engine)
    blind = BlindAnswers(
        engine,
        grey=(engine.name,) if grey else (),
        prompt=BlindPrompt("bare-v1", "", ()),
        phrases=qa.templates.phrases,
    )
    for expert in (blind, SelectQuestions()):
        fields = [pa.field("uid", pa.string()), QUESTIONS.field("qa"), BLIND.field("qa_blind")]
        wanted = [f for f in fields if f.name in ("uid", *expert.needs)]
        table = pa.Table.from_pylist([{f.name: row[f.name] for f in wanted} for row in rows], schema=pa.schema(wanted))
        rows = _with(rows, expert, Batch(table))
    return list(rows)


def _with(rows: Sequence[Row], expert: Expert, batch: Batch) -> list[Row]:
    columns = expert.load()(batch).columns
    return [row | {name: columns[name][i] for name in expert.adds.names} for i, row in enumerate(rows)]


def evaluate(engine: Engine, rows: Sequence[Row], truths: Sequence[Scene], images: Sequence[Pixels]) -> dict[str, Any]:
    """Return the tables by title."""
    answered = asked(engine, rows, images)
    blind = {"grey image": gated(engine, answered, grey=True), "no image": gated(engine, answered, grey=False)}
    tables: dict[str, Any] = {"Questions and answers": [asdict(line) for line in accuracy(blind["grey image"], truths)]}
    for name, found in blind.items():
        tables[f"Blind, {name}"] = [
            {key: value if isinstance(value, str | int) else round(value, 3) for key, value in asdict(rate).items()}
            for rate in blind_rates(found)
        ]
        score = scores(found, [name])
        seen, unseen = score["seen"], score[name]
        if seen is not None and unseen is not None:
            tables[f"Gain, {name}"] = [
                {"seen": round(seen, 3), "blind": round(unseen, 3), "gain": round(gain(seen, unseen), 3)}
            ]
    return tables


def main() -> None:
    """Print the tables; exits with code 2 and one sentence if the dataset cannot be read."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--scenes", type=int, default=128, help="held-out scenes, or most samples of the dataset")
    parser.add_argument(
        "--wrong", type=float, default=0.1, help="share of the claims of the evidence that are made wrong"
    )
    parser.add_argument("--dataset", type=Path, help="take the evidence from a finished run over nano/shards")
    parser.add_argument("--truth", type=Path, default=SHARDS / "truth.jsonl")
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    try:
        if args.dataset:
            rows, truths, images = measured_rows(args.dataset, args.truth, args.scenes)
        else:
            rows, truths, images = drawn_rows(args.scenes, args.wrong)
        tables = evaluate(vllm(str(ROOT / "vlm")), rows, truths, images)
    except (CurateError, FileNotFoundError) as error:
        print(f"{error}", file=sys.stderr)
        raise SystemExit(2) from None
    for title, lines in tables.items():
        print(f"\n### {title}\n\n{markdown(lines)}")
    if args.json:
        args.json.write_text(json.dumps(tables, indent=1) + "\n")


if __name__ == "__main__":
    main()
