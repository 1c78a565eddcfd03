"""Several captions of one image: columns of their own all the way, and the best of them, ties in the order given."""

import pyarrow as pa
import pytest

from curate.captions.prompting.hints import Hints
from curate.captions.prompting.prompts import Prompt
from curate.engines.fake import FakeEngine
from curate.errors import PlanError
from curate.experts.best_caption import BestCaption
from curate.experts.caption_evidence import CaptionEvidence
from curate.experts.caption_gate import CaptionGate
from curate.experts.caption_judge import CaptionJudge
from curate.experts.dense_caption import DenseCaption
from curate.experts.repair_caption import RepairCaption
from curate.experts.verify_objects import VerifyObjects
from curate.pipeline import Pipeline
from curate.run.local import measure
from curate.stages import Batch, Gate, stage_id
from filters.caption_accepted import CaptionAccepted
from filters.caption_clean import CaptionClean
from filters.max_wrong_claims import MaxWrongClaims
from schemas.objects import OBJECTS
from schemas.ocr import OCR
from tests.support.shards import image

SEEN = [{"label": "dog", "box": [0.1, 0.1, 0.5, 0.5], "score": 0.9}]
DENSE, BRIEF = "A dog lies on a couch beside a cat and a laptop.", "A dog."


def say(request):
    if "Score a description" in request.prompt:
        scores = '"vir": 2, "ita": 5' if f'"{BRIEF}"' in request.prompt else '"vir": 5, "ita": 2'
        return f'{{{scores}, "reason": ""}}'
    if request.choices:
        return "no"
    return BRIEF if "short" in request.prompt else DENSE


ENGINE = FakeEngine(say)


def captioner(column, prompt):
    return DenseCaption(ENGINE, Prompt(prompt, f"A {prompt} caption."), Hints(blocks=()), column=column)


def several(*more):
    given = {field.name: field.type for field in (*OBJECTS, *OCR)}
    table = pa.table(
        {
            "image": pa.array([image(8)], pa.binary()),
            "objects": pa.array([SEEN], given["objects"]),
            "ocr_lines": pa.array([[]], given["ocr_lines"]),
        }
    )
    pipeline = Pipeline([captioner("caption", "dense"), captioner("brief", "short"), *more])
    return measure(pipeline, table).to_pylist()[0]


def test_a_stage_without_a_column_of_its_own_is_the_stage_it_always_was():
    """The default leaves no trace, so cells that were measured before keep their place."""
    for stage in (DenseCaption(ENGINE), RepairCaption(ENGINE), CaptionJudge(ENGINE), CaptionGate(), CaptionAccepted()):
        assert "column='" not in repr(stage)
    assert "prefix" not in repr(VerifyObjects(ENGINE))
    assert stage_id(DenseCaption(ENGINE, column="brief")) != stage_id(DenseCaption(ENGINE))


def test_every_check_follows_its_caption_to_columns_of_its_own():
    row = several(
        CaptionEvidence("brief"),
        VerifyObjects(ENGINE, column="brief", detail=None, prefix="brief_"),
        RepairCaption(ENGINE, column="brief", verified=True),
        CaptionJudge(ENGINE, text="brief", column="brief"),
        CaptionGate(uncalibrated=True, column="brief"),
        Gate("brief", CaptionAccepted("brief_accepted")),
        Gate("final_brief", CaptionClean(column="final_brief_marks")),
    )

    assert (row["caption"], row["brief"], row["brief_words"]) == (DENSE, BRIEF, 2)
    assert row["brief_object_precision"] == 1.0
    assert row["brief_objects_denied"] == ["dog"]
    assert row["final_brief"] in (DENSE, BRIEF)
    assert row["brief_repair_outcome"] in ("kept", "repaired")
    assert (row["brief_vir"], row["brief_ita"], row["brief_accepted"]) == (2, 5, False)
    assert row["brief_dropped_by"] == "CaptionAccepted(column='brief_accepted')"
    assert (row["dropped_by"], row["error"]) == (None, None)


def test_the_best_by_evidence_and_by_a_judge():
    by_evidence = several(BestCaption(("caption", "brief")))
    assert (by_evidence["best_caption"], by_evidence["best_caption_column"]) == (BRIEF, "brief")
    assert by_evidence["best_caption_margin"] > 0
    assert by_evidence["best_caption_scores"][1] == by_evidence["best_caption_score"]

    judges = [CaptionJudge(ENGINE, text=name, column=name) for name in ("caption", "brief")]
    judged = several(*judges, BestCaption(("caption", "brief"), by="judge"))
    assert judged["best_caption_column"] == "brief"
    assert judged["best_caption_scores"] == pytest.approx([2.5, 5.2])
    assert judged["best_caption_margin"] == pytest.approx(2.7)


def choose(stage, **columns):
    measured = stage.load()(Batch(pa.table({"uid": ["u"], **{name: [value] for name, value in columns.items()}})))
    return {name: values[0] for name, values in measured.columns.items()}


def test_ties_go_to_the_text_that_is_named_first_and_nulls_are_explained():
    axes = {"a_vir": 3, "a_ita": 4, "b_vir": 3, "b_ita": 4}
    for texts in (("a", "b"), ("b", "a")):
        chosen = choose(BestCaption(texts, by="judge"), a="A", b="B", **axes)
        assert (chosen["best_caption_column"], chosen["best_caption_margin"]) == (texts[0], 0.0)

    stage = BestCaption(("a", "b"), by="judge")
    unscored = choose(stage, a="A", b="B", a_vir=None, a_ita=4, b_vir=1, b_ita=1)
    assert (unscored["best_caption"], unscored["best_caption_margin"]) == ("B", None)
    none_scored = choose(stage, a=None, b="B", **dict.fromkeys(axes))
    assert (none_scored["best_caption"], none_scored["best_caption_score"]) == ("B", None)
    assert set(choose(stage, a=None, b=None, **axes).values()) == {None}


def test_a_marked_text_is_chosen_only_if_all_are():
    stage = BestCaption(("a", "b"), by="judge", marks=True)
    axes = {"a_vir": 5, "a_ita": 5, "b_vir": 1, "b_ita": 1}
    one = choose(stage, a="A", b="B", a_marks=["hedging"], b_marks=[], **axes)
    both = choose(stage, a="A", b="B", a_marks=["hedging"], b_marks=["hedging"], **axes)
    assert (one["best_caption"], both["best_caption"]) == ("B", "A")
    assert one["best_caption_margin"] < 0


def test_what_was_chosen_is_gated_and_the_sample_stays():
    gate = Gate("best_caption", MaxWrongClaims(0, "best_caption"))
    row = several(BestCaption(("brief", "caption")), CaptionEvidence("best_caption"), gate)
    assert (row["best_caption_wrong_claims"], row["best_caption_dropped_by"], row["dropped_by"]) == (0, None, None)


def test_bad_choices_are_one_sentence():
    with pytest.raises(PlanError, match="two columns or more"):
        BestCaption(("caption",))
    with pytest.raises(PlanError, match="give evidence or judge"):
        BestCaption(by="length")
    with pytest.raises(PlanError, match="already exists"):
        Pipeline([captioner("caption", "dense"), captioner("caption", "short")]).schema()
    with pytest.raises(ValueError, match="prefix='a b'"):
        captioner("a b", "dense")
