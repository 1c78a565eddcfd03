import pyarrow as pa

from curate.captions.checking.evidence import Evidence
from curate.captions.checking.witnesses import Columns
from curate.experts.pair_evidence import PairEvidence
from curate.stages import Batch
from schemas.objects import OBJECTS
from schemas.ocr import OCR
from schemas.tags import TAG

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


def test_witnesses_of_open_names_count_too():
    expert = PairEvidence(Evidence(columns=Columns(("open_objects",), "tags")))
    assert expert.needs[-3:] == ("open_objects", "open_objects_asked", "tags")
    texts = {"pair_chosen": ["A dog by a quokka."], "pair_rejected": ["A dog by a wombat."]}
    columns = {
        "uid": ["u"],
        "objects": pa.array([[DOG]], OBJECTS.field("objects").type),
        "ocr_lines": pa.array([[]], OCR.field("ocr_lines").type),
        "open_objects": pa.array([[]], OBJECTS.field("objects").type),
        "open_objects_asked": pa.array([["wombat"]]),
        "tags": pa.array([[{"label": "quokka", "score": 0.5}]], pa.list_(TAG)),
    }
    found = expert.load()(Batch(pa.table(texts | columns))).columns
    assert (found["pair_chosen_wrong"], found["pair_rejected_wrong"]) == ([0], [1])


def test_the_margin_turns_with_the_sides():
    straight, turned = measured("A dog.", "A cat.", [DOG], []), measured("A cat.", "A dog.", [DOG], [])
    assert straight["pair_margin"] == -turned["pair_margin"] == 1.0


def test_saying_less_or_more_of_what_no_expert_sees_is_no_merit():
    assert measured("A dog.", "A dog on warm, soft, golden sand at dusk.", [DOG], [])["pair_margin"] == 0


def test_null_where_there_is_no_pair_or_nothing_known():
    assert set(measured(None, None, [DOG], []).values()) == {None}
    assert measured("Sand.", "Grass.", [], [])["pair_margin"] is None
    assert measured("A dog.", "A cat.", None, None)["pair_margin"] is None
