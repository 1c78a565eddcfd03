import json
import random
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

from curate.captions.questioning.labelled import LabelPrompt
from curate.captions.questioning.verifiers import YesNo
from curate.engines.fake import FakeEngine
from curate.engines.vllm_engine import Vllm
from curate.experts.label_verified import LabelVerified
from curate.models.weights import Weights
from curate.stages import Batch
from nano.evaluate.models import HELD_OUT
from nano.evaluate.qa import ROOT, accuracy, asked, drawn_rows, evidence, gated, truth_of
from nano.world.scenes import make_scene
from nano.world.texts import article

# The same engine as that of tests/curate/engines/test_vllm_engine.py.
ENGINE = Vllm(
    Weights(str(ROOT / "vlm")),
    dtype="bfloat16",
    max_model_len=1024,
    max_num_seqs=8,
    enforce_eager=True,
    kv_cache_gib=0.5,
    gpus=0,
)


def question(kind, subject, expected="", answer="", verified=True):
    return {
        "kind": kind, "subject": subject, "expected": expected, "answer": answer, "question": "?", "verified": verified,
    }  # fmt: skip


def test_the_truth_of_a_question_is_that_of_the_scene():
    _, scene = next(drawn for i in range(99) if (drawn := make_scene(i))[1].sign)
    name, count = next(iter(scene.counts().items()))
    assert truth_of(question("yes_no", name), scene) == "yes"
    assert truth_of(question("yes_no", "unicorn"), scene) == "no"
    assert truth_of(question("count", name), scene) == str(count)
    assert truth_of(question("text", None), scene) == scene.sign.text
    assert truth_of(question("text", None), replace(scene, sign=None)) is None
    assert truth_of(question("short", None), scene) is None


def test_accuracy_is_counted_before_and_after_verification():
    _, scene = make_scene(5)
    name, count = next(iter(scene.counts().items()))
    rows = [
        question("count", name, str(count), str(count)),
        question("count", name, str(count + 1), str(count + 1)),  # evidence and answer wrong alike
        question("count", name, str(count + 1), str(count), verified=False),
        question("yes_no", name, "yes", "no", verified=False),
    ]
    by_kind = {line.kind: line for line in accuracy([{"qa": rows}], [scene])}
    assert (by_kind["count"].evidence_right, by_kind["count"].answers_right) == (0.333, 0.667)
    assert (by_kind["count"].verified, by_kind["count"].verified_right, by_kind["count"].right_lost) == (2, 0.5, 0.5)
    assert (by_kind["yes_no"].answers_right, by_kind["yes_no"].verified_right) == (0.0, None)
    assert by_kind["all"].asked == 4


def test_evidence_is_the_truth_but_for_the_share_made_wrong():
    _, scene = make_scene(7)
    true = evidence(scene, random.Random(0), 0.0)
    assert sorted(o["label"] for o in true["objects"]) == sorted(thing.name for thing in scene.objects)
    assert all(0 <= side <= 1 for o in true["objects"] for side in o["box"])
    wrong = evidence(scene, random.Random(0), 1.0)
    assert sorted(o["label"] for o in wrong["objects"]) != sorted(o["label"] for o in true["objects"])


def test_one_who_knows_the_truth_is_verified_wherever_the_evidence_is_right():
    rows, truths, images = drawn_rows(12, 0.0)
    present = {row["uid"]: scene.counts() for row, scene in zip(rows, truths, strict=True)}

    def knows(request):
        counts = present[request.id.rpartition("-")[0]]
        ask = request.prompt.lower()
        if request.choices:
            return "yes" if any(article(name) in ask for name in counts) else "no"
        return "none"

    found = accuracy(asked(FakeEngine(knows, "knows"), rows, images), truths)
    (line,) = [line for line in found if line.kind == "yes_no"]
    assert line.evidence_right == 1.0
    assert line.answers_right == line.verified_right


@pytest.mark.slow
@pytest.mark.models
@pytest.mark.timeout(600)
class TestNanoVlm:
    def test_verified_answers_are_right_more_often_and_the_gate_keeps_what_needs_the_image(self):
        rows, truths, images = drawn_rows(24, 0.15)
        found = gated(ENGINE, asked(ENGINE, rows, images), grey=True)
        lines = {line.kind: line for line in accuracy(found, truths)}
        assert lines["yes_no"].verified_right > lines["yes_no"].evidence_right
        assert lines["all"].verified_right > 0.95 > lines["all"].evidence_right
        assert lines["all"].kept_right > 0.95
        assert sum(row["qa_gated"] for row in found) < 0.5 * lines["all"].verified

    def test_a_label_that_is_wrong_never_gives_a_direct_answer(self):
        drawn = [make_scene(HELD_OUT["vlm"] + i) for i in range(24)]
        rows = []
        for i, (_, scene) in enumerate(drawn):
            name = next(iter(scene.counts()))
            ask = f"Is there {article(name)} in the image? Answer yes or no."
            rows.append(json.dumps({"ask": ask, "label": ["yes", "no"][i % 2]}))  # every second one is wrong
        expert = LabelVerified(
            ENGINE,
            question="metadata.ask",
            verifier=YesNo(),
            prompt=LabelPrompt("nano-labelled-v1", "", "The answer is {label}.", reasons=False),
            longest_side_px=336,
            max_tokens=8,
            temperature=0.0,
        )
        table = pa.table({"uid": [f"u{i}" for i in range(24)], "metadata": rows})
        outcomes = expert.load()(Batch(table, (), [np.asarray(image) for image, _ in drawn])).columns[
            "labelled_outcome"
        ]
        assert outcomes[::2].count("direct") >= 11
        assert "direct" not in outcomes[1::2]
