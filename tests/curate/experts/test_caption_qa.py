import dataclasses
import json
import pickle

import numpy as np
import pyarrow as pa
import pytest

from curate.captions.questioning.questions import Templates
from curate.engines.fake import FakeEngine
from curate.errors import PlanError, SampleError
from curate.experts.caption_qa import CaptionQA
from curate.stages import Batch, Expert, stage_id
from schemas.question import QUESTION, QUESTION_KINDS, QUESTION_SOURCES, QUESTIONS

WRITTEN = {
    "questions": [
        {"kind": "short", "question": "What colour is the dog?", "answer": "brown"},
        {"kind": "count", "question": "How many dogs are there?", "answer": "five"},
        {"kind": "count", "question": "How many cats are there?", "answer": "three"},
    ]
}
OBJECTS = [
    {"label": "dog", "box": [0.0, 0.0, 0.9, 0.9], "score": 0.9},
    {"label": "cup", "box": [0.0, 0.0, 0.1, 0.1], "score": 0.8},
]


def knows_all(request):
    """Answer as a model that sees a dog, a cup and a sign, and wrongly counts three cats."""
    if request.json_schema:
        assert request.image is None
        return json.dumps(WRITTEN)
    assert request.image is not None
    ask = request.prompt.lower()
    if "bad" in request.id:
        raise SampleError("engine_rejected", "no")
    if request.choices:
        assert request.choices == ("yes", "no")
        return ("yes" if "dog" in ask or "cup" in ask else "no", 0.9)
    if "cats" in ask:
        return "3"
    if "number" in ask or "how many" in ask or "count" in ask:
        return "There is one."
    return {True: "The dog is brown", False: "OPEN"}["colour" in ask or "object" in ask]


QA = CaptionQA(FakeEngine(knows_all, "knows-all"))


def batch(uids=("u0",), objects=OBJECTS, caption="A brown dog and a cup.", alt_text=None):
    n = len(uids)
    line = {"text": "Open", "box": [0, 0, 1, 1], "score": 0.99}
    values = {
        "objects": [objects] * n,
        "ocr_lines": [[line]] * n,
        "caption": [caption] * n,
        "alt_text": pa.array([alt_text] * n, pa.string()),
    }
    return Batch(pa.table({"uid": list(uids), **values}), (), [np.zeros((56, 56, 3), np.uint8)] * n)


def test_it_is_an_expert_that_can_be_sent():
    assert isinstance(QA, Expert)
    assert stage_id(pickle.loads(pickle.dumps(QA))) == stage_id(QA)
    assert stage_id(dataclasses.replace(QA, templates=Templates(count=1))) != stage_id(QA)


def test_questions_are_answered_and_verified_against_what_was_measured():
    result = QA.load()(batch())
    (rows,) = result.columns["qa"]
    assert result.errors == [None]
    assert pa.array(result.columns["qa"], QUESTIONS.field("qa").type).to_pylist()
    assert all(row["kind"] in QUESTION_KINDS and row["source"] in QUESTION_SOURCES for row in rows)
    assert {name for row in rows for name in row} == {field.name for field in QUESTION}
    by_source = {source: [row for row in rows if row["source"] == source] for source in QUESTION_SOURCES}
    assert all(row["verified"] for source in ("absence", "objects", "ocr") for row in by_source[source])
    assert {row["confidence"] for row in rows if row["kind"] == "yes_no"} == {0.9}
    assert sum(row["expected"] == "no" for row in rows) == 2


def test_a_caption_and_a_image_that_agree_are_not_enough_where_detections_disagree():
    (rows,) = QA.load()(batch()).columns["qa"]
    said = {row["question"]: row["verified"] for row in rows if row["source"] == "caption"}
    assert said == {"What colour is the dog?": True, "How many cats are there?": False}


def test_wrong_answers_stay_and_are_marked():
    wrong = CaptionQA(FakeEngine(lambda request: "seven", "wrong"), writer=None)
    (rows,) = wrong.load()(batch()).columns["qa"]
    assert rows
    assert not any(row["verified"] for row in rows)


def test_a_cut_answer_is_not_verified():
    long = CaptionQA(FakeEngine(lambda request: "yes it is", "long"), writer=None, max_tokens=1)
    (rows,) = long.load()(batch()).columns["qa"]
    assert {row["verified"] for row in rows if row["expected"] == "yes"} == {False}


def test_a_image_is_asked_no_more_than_the_budget_and_never_twice():
    (rows,) = QA.load()(batch()).columns["qa"]
    texts = [row["question"].lower() for row in rows]
    assert len(set(texts)) == len(texts)
    assert len(rows) <= 4 + 2 + 1 + 1 + 4


def test_nothing_known_gives_no_question_and_no_request():
    silent = CaptionQA(FakeEngine(lambda request: 1 / 0, "silent"), sources=("objects", "caption"))
    given = batch(objects=None, caption=None)
    result = silent.load()(Batch(given.table.select(["uid", *silent.needs]), (), given.images))
    assert result.columns["qa"] == [[]]
    assert result.errors == [None]


def test_a_failed_request_is_the_error_of_its_row_alone():
    result = QA.load()(batch(("good", "bad", "fine")))
    assert [error and error.code for error in result.errors] == [None, "engine_rejected", None]
    assert [qa is None for qa in result.columns["qa"]] == [False, True, False]


def test_a_reply_that_is_no_json_costs_only_the_written_questions():
    plain = CaptionQA(FakeEngine(lambda request: "no", "plain"))
    result = plain.load()(batch())
    assert result.columns["qa_written"] == [None]
    assert {row["source"] for row in result.columns["qa"][0]} == {"absence", "objects", "ocr"}
    assert QA.load()(batch()).columns["qa_written"] == [3]


def test_questions_belong_to_a_uid_not_to_a_position():
    uids = [f"u{i}" for i in range(12)]
    straight = dict(zip(uids, QA.load()(batch(uids)).columns["qa"], strict=True))
    turned = dict(zip(uids[::-1], QA.load()(batch(uids[::-1])).columns["qa"], strict=True))
    assert straight == turned


def test_only_the_columns_of_its_sources_are_needed():
    assert CaptionQA(FakeEngine(knows_all), sources=("caption",)).needs == ("caption", "alt_text")
    with pytest.raises(PlanError, match="sources"):
        CaptionQA(FakeEngine(knows_all), sources=("tags",))
