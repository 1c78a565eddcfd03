import pyarrow as pa

from curate.experts.pair_evidence import PairEvidence
from curate.stages import Batch
from schemas.objects import OBJECTS
from schemas.ocr import OCR

DOG = {"label": "dog", "box": [0.0, 0.4, 0.2, 0.6], "score": 0.9}


def measured(chosen, rejected, objects, lines):
    table = pa.table(
        {
            "uid": ["u"],
            "pair_chosen": pa.array([chosen], pa.string()),
            "pair_rejected": pa.array([rejected], pa.string()),
            "objects": pa.array([objects], OBJECTS.field("objects").type),
            "ocr_lines": pa.array([lines], OCR.field("ocr_lines").type),
        }
    )
    return {name: values[0] for name, values in PairEvidence().load()(Batch(table)).columns.items()}


def test_what_is_wrong_lowers_the_score_and_makes_the_margin():
    found = measured("A dog.", "A dog and a cat.", [DOG], [])
    assert (found["pair_chosen_score"], found["pair_chosen_wrong"], found["pair_rejected_wrong"]) == (1.0, 0, 1)
    assert found["pair_margin"] == 1.0 - found["pair_rejected_score"] > 0


def test_the_margin_turns_with_the_sides():
    straight, turned = measured("A dog.", "A cat.", [DOG], []), measured("A cat.", "A dog.", [DOG], [])
    assert straight["pair_margin"] == -turned["pair_margin"] == 1.0


def test_saying_less_or_more_of_what_no_expert_sees_is_no_merit():
    assert measured("A dog.", "A dog on warm, soft, golden sand at dusk.", [DOG], [])["pair_margin"] == 0


def test_null_where_there_is_no_pair_or_nothing_known():
    assert set(measured(None, None, [DOG], []).values()) == {None}
    assert measured("Sand.", "Grass.", [], [])["pair_margin"] is None
    assert measured("A dog.", "A cat.", None, None)["pair_margin"] is None
