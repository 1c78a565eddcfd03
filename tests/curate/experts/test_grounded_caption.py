import pyarrow as pa
import pytest

from curate.captions.checking.evidence import Evidence
from curate.captions.checking.witnesses import Columns
from curate.experts.grounded_caption import GroundedCaption
from curate.stages import Batch
from schemas.objects import OBJECTS
from schemas.open_objects import OPEN_OBJECTS

DOG = {"label": "dog", "box": [0.0, 0.25, 0.5, 0.75], "score": 0.875}


def measure(captions, objects, column="caption"):
    expert = GroundedCaption(column)
    objects = pa.array(objects, OBJECTS.field("objects").type)
    uids = [str(i) for i in range(len(captions))]
    table = pa.table({"uid": uids, column: pa.array(captions, pa.string()), "objects": objects})
    measured = expert.load()(Batch(table))
    return pa.table({field.name: pa.array(measured.columns[field.name], field.type) for field in expert.adds})


def test_phrases_become_rows_of_words_and_boxes():
    row = measure(["A dog and a cat."], [[DOG]]).to_pylist()[0]
    assert row["caption_grounded_frac"] == pytest.approx(0.5)
    assert row["caption_phrases"] == [
        {"phrase": "dog", "start": 2, "end": 5, "label": "dog", "boxes": [[0.0, 0.25, 0.5, 0.75]]},
        {"phrase": "cat", "start": 12, "end": 15, "label": "cat", "boxes": []},
    ]


def test_null_means_nothing_to_tie():
    table = measure([None, "A dog.", "A tree."], [[DOG], None, [DOG]])
    assert table["caption_phrases"].to_pylist() == [None, None, []]
    assert table["caption_grounded_frac"].to_pylist() == [None, None, None]


def test_boxes_of_an_open_set_detector_ground_nouns_that_no_lexicon_holds():
    expert = GroundedCaption(evidence=Evidence(columns=Columns(("open_objects",))))
    assert expert.needs == ("caption", "objects", "open_objects", "open_objects_asked")
    quokka = {"label": "quokka", "box": [0.5, 0.25, 1.0, 0.75], "score": 0.375}
    kinds = OPEN_OBJECTS.field("open_objects").type
    table = pa.table(
        {
            "uid": ["u"],
            "caption": ["A quokka and three window sills."],
            "objects": pa.nulls(1, kinds),
            "open_objects": pa.array([[quokka]], kinds),
            "open_objects_asked": pa.array([["quokka"]]),
        }
    )
    (phrases,) = expert.load()(Batch(table)).columns["caption_phrases"]
    assert [(one["phrase"], one["boxes"]) for one in phrases] == [
        ("quokka", ((0.5, 0.25, 1.0, 0.75),)),
        ("window sills", ()),
    ]


def test_another_text_has_its_own_names():
    assert measure(["A dog."], [[DOG]], "final_caption").column_names[0] == "final_caption_phrases"
