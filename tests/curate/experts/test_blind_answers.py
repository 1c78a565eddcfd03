import dataclasses
import pickle

import numpy as np
import pyarrow as pa
import pytest

from curate.engines.fake import FakeEngine
from curate.errors import PlanError, SampleError
from curate.experts.blind_answers import BlindAnswers, together
from curate.experts.caption_qa import CaptionQA
from curate.experts.select_questions import SelectQuestions
from curate.pipeline import Pipeline, engine_of, engines_of
from curate.stages import Batch, Expert, Resources, stage_id
from schemas.blind import BLIND
from schemas.question import KEPT_QUESTIONS, QUESTIONS


def row(kind, question, expected, verified=True, source="caption"):
    return {
        "kind": kind,
        "question": question,
        "answer": expected,
        "expected": expected,
        "source": source,
        "subject": None,
        "verifier": kind,
        "verified": verified,
        "confidence": None,
    }


PLANTED = row("yes_no", "Is a red ball red?", "yes")
SPRINGS = row("short", "What colour is a ripe banana?", "yellow")
VISUAL = [
    row("yes_no", "Is there a dog in the picture?", "no"),
    row("yes_no", "Is the second cup full?", "yes"),
    row("count", "How many dogs are there?", "3"),
    row("text", "What is written here?", "Open late"),
]


def well_read(request):
    """Know about the world, and nothing of the image: a text-only model."""
    assert request.image is None
    ask = request.prompt.rpartition("Question: ")[2].lower()
    if "refused" in request.id:
        raise SampleError("engine_rejected", "no")
    if "red ball" in ask:
        return "yes"
    if "banana" in ask:
        return "It is yellow."
    return "no" if request.choices and "dog" in ask else "yes" if request.choices else "one"


def always_no(request):
    return "no" if request.choices else "I cannot see it."


def eager(request):
    assert request.image is not None
    assert len(np.unique(request.image)) == 1
    return "yes" if request.choices else "one"


READERS = tuple(FakeEngine(well_read, f"reader-{i}") for i in range(8))


def table(*asked, uid="u0"):
    qa = pa.array([list(one) if one is not None else None for one in asked], QUESTIONS.field("qa").type)
    return pa.table({"uid": [f"{uid}{i}" for i in range(len(asked))], "qa": qa})


def answered(expert, *asked, uid="u0"):
    return expert.load()(Batch(table(*asked, uid=uid)))


def kept(models, *asked, **options):
    blind = answered(models, *asked)
    both = table(*asked).append_column("qa_blind", pa.array(blind.columns["qa_blind"], BLIND.field("qa_blind").type))
    chosen = SelectQuestions(**options).load()(Batch(both)).columns
    assert all(len(pa.array(chosen[field.name], field.type)) == len(asked) for field in KEPT_QUESTIONS)
    return [one and [q["question"] for q in one] for one in chosen["qa_kept"]]


def test_it_is_an_expert_that_can_be_sent_and_shows_all_its_engines():
    expert = BlindAnswers(READERS[0], READERS[1:])
    assert isinstance(expert, Expert)
    assert stage_id(pickle.loads(pickle.dumps(expert))) == stage_id(expert)
    assert engine_of(expert) == READERS[0]
    assert engines_of(expert) == expert.engines == READERS
    assert stage_id(expert) != stage_id(BlindAnswers(READERS[0], READERS[1:7]))


def test_each_model_answers_each_question_and_is_judged():
    result = answered(BlindAnswers(READERS[0], (READERS[0], READERS[2])), [PLANTED, VISUAL[2]], None, [])
    assert result.columns["qa_blind"][0][0] == {"answers": ["yes"] * 3, "right": [True] * 3, "hits": 3}
    assert result.columns["qa_blind"][0][1]["hits"] == 0
    assert result.columns["qa_blind"][1:] == [None, []]
    assert result.columns["qa_blind_models"] == [
        ["reader-0", "reader-0#2", "reader-2"],
        None,
        ["reader-0", "reader-0#2", "reader-2"],
    ]
    assert result.errors == [None] * 3


def test_text_answerable_questions_go_and_those_about_the_image_stay():
    models = BlindAnswers(READERS[0], READERS[1:])
    (left,) = kept(models, [PLANTED, SPRINGS, *VISUAL[2:]])
    assert left == [one["question"] for one in VISUAL[2:]]


@pytest.mark.parametrize(("hits", "stays"), [(0, True), (2, True), (3, False), (8, False)])
def test_two_of_eight_hits_are_allowed(hits, stays):
    others = (FakeEngine(always_no, f"no-{i}") for i in range(8 - hits))
    first, *rest = (*READERS[:hits], *others)
    (left,) = kept(BlindAnswers(first, tuple(rest)), [SPRINGS])
    assert bool(left) == stays


def test_models_that_always_say_no_do_not_take_every_no_out():
    asked = [VISUAL[0], VISUAL[1]]
    nay = BlindAnswers(FakeEngine(always_no, "no-0"), (FakeEngine(always_no, "no-1"),))
    assert kept(nay, asked) == [[one["question"] for one in asked]]
    assert kept(nay, asked, skip_guessers=False) == [[]]
    assert kept(nay, asked, skip_guessers=False, balance=False) == [[VISUAL[1]["question"]]]


def test_what_is_not_verified_is_not_kept_and_yes_and_no_are_even():
    wrong = row("count", "How many cats?", "2", verified=False)
    unread = row("count", "How many cows?", "some", verified=None)
    nobody = BlindAnswers(FakeEngine(always_no, "nobody"))
    assert kept(nobody, [wrong, unread, VISUAL[2]]) == [[VISUAL[2]["question"]]]
    assert kept(nobody, [VISUAL[1], VISUAL[2]]) == [[VISUAL[2]["question"]]]
    assert kept(nobody, None, []) == [None, []]


def test_without_a_gate_no_blind_model_is_needed():
    free = SelectQuestions(max_blind_share=None)
    assert free.needs == ("qa",)
    result = free.load()(Batch(table([SPRINGS])))
    assert [len(one) for one in result.columns["qa_kept"]] == [1]
    assert result.columns["qa_gated"] == [None]


def test_only_named_models_get_a_grey_image():
    mixed = BlindAnswers(READERS[0], (FakeEngine(eager, "eyes"),), grey=("eyes",))
    assert answered(mixed, [PLANTED]).columns["qa_blind_models"] == [["reader-0", "eyes (grey)"]]
    with pytest.raises(PlanError, match="grey names"):
        BlindAnswers(READERS[0], grey=("reader-9",))


def test_a_failed_request_is_the_error_of_its_row_alone():
    result = answered(BlindAnswers(READERS[0]), [PLANTED], [PLANTED], uid="refused")
    assert [error.code for error in result.errors] == ["engine_rejected"] * 2
    assert result.columns["qa_blind"] == [None, None]


def test_a_worker_holds_all_engines_and_an_equal_one_once():
    big, small = (
        FakeEngine(always_no, n, Resources(gpus=g, batch_rows=b)) for n, g, b in (("b", 1.0, 8), ("s", 0.5, 64))
    )
    both = together((big, small, big))
    assert (both.gpus, both.batch_rows) == (1.5, 64)


def test_another_first_engine_begins_another_segment():
    writer = FakeEngine(always_no, "writer")
    qa = CaptionQA(writer, sources=("caption",))
    stages = [dataclasses.replace(qa), BlindAnswers(READERS[0]), SelectQuestions()]
    cut = Pipeline(stages).segments()
    assert [len(segment.stages) for segment in cut] == [1, 2]
    assert [segment.experts[0].pixels for segment in cut] == [448, None]


def test_bad_shares_are_named():
    with pytest.raises(PlanError, match="max_blind_share is 2"):
        SelectQuestions(max_blind_share=2)
