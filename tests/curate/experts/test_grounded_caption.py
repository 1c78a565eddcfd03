import pyarrow as pa
import pytest

from curate.experts.grounded_caption import GroundedCaption
from curate.stages import Batch
from schemas.objects import OBJECTS

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


def test_another_text_has_its_own_names():
    assert measure(["A dog."], [[DOG]], "final_caption").column_names[0] == "final_caption_phrases"
