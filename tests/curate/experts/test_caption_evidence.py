import pickle

import pyarrow as pa
import pytest

from curate.captions.checking.evidence import Evidence
from curate.captions.checking.lexicon import read_lexicon
from curate.errors import PlanError
from curate.experts.caption_evidence import CaptionEvidence
from curate.stages import Batch, stage_id
from filters.max_wrong_claims import MaxWrongClaims
from filters.min_object_precision import MinObjectPrecision
from schemas.caption_evidence import CAPTION_EVIDENCE
from schemas.objects import OBJECTS
from schemas.ocr import OCR

DOG = {"label": "dog", "box": [0.0, 0.4, 0.2, 0.6], "score": 0.9}
STOP = {"text": "STOP", "box": [0.4, 0.4, 0.6, 0.6], "score": 0.99}


def measure(captions, objects, lines, column="caption"):
    expert = CaptionEvidence(column)
    table = pa.table(
        {
            "uid": [str(i) for i in range(len(captions))],
            column: pa.array(captions, pa.string()),
            "objects": pa.array(objects, OBJECTS.field("objects").type),
            "ocr_lines": pa.array(lines, OCR.field("ocr_lines").type),
        }
    )
    measured = expert.load()(Batch(table))
    return pa.table({field.name: pa.array(measured.columns[field.name], field.type) for field in expert.adds})


def test_claims_become_columns():
    text = 'Two dogs on the right, a cat and a sign that reads "GO".'
    row = measure([text], [[DOG]], [[STOP]]).to_pylist()[0]
    assert row == {
        "caption_object_precision": 0.5,
        "caption_object_recall": 1.0,
        "caption_text_precision": 0.0,
        "caption_text_recall": 0.0,
        "caption_count_accuracy": 0.0,
        "caption_place_accuracy": 0.0,
        "caption_unsupported": ["cat"],
        "caption_missed": [],
        "caption_unjudged": ["sign"],
        "caption_unsupported_texts": ["GO"],
        "caption_missed_texts": ["STOP"],
        "caption_wrong_counts": [{"label": "dog", "said": 2, "seen": 1}],
        "caption_wrong_places": [{"label": "dog", "said": "right", "seen": "middle left"}],
        "caption_wrong_claims": 4,
        "caption_verdicts": [
            {"kind": "object", "claim": "dog", "verdict": "supported"},
            {"kind": "object", "claim": "cat", "verdict": "contradicted"},
            {"kind": "object", "claim": "sign", "verdict": "unjudged"},
            {"kind": "number", "claim": "2 dog", "verdict": "contradicted"},
            {"kind": "place", "claim": "dog, right", "verdict": "contradicted"},
            {"kind": "text", "claim": "GO", "verdict": "contradicted"},
        ],
        "caption_evidence_coverage": pytest.approx(5 / 6),
    }


def test_an_unmeasured_source_leaves_its_columns_null_and_filters_unsure():
    table = measure(["A dog.", "A tree.", None, "A dog."], [None, [], [DOG], [DOG]], [[], [], [], None])
    assert table["caption_unsupported"].to_pylist() == [None, [], None, []]
    assert table["caption_unsupported_texts"].to_pylist() == [[], [], None, None]
    assert table["caption_wrong_claims"].to_pylist() == [0, 0, None, 0]
    assert MinObjectPrecision(1.0).keep(table).to_pylist() == [None, True, None, True]


def test_another_text_is_judged_under_its_own_names():
    table = measure(["A cat."], [[DOG]], [[]], column="final_caption")
    assert table.column_names[0] == "final_caption_object_precision"
    assert len(table.column_names) == len(CAPTION_EVIDENCE)
    assert MaxWrongClaims(column="final_caption").keep(table).to_pylist() == [False]
    assert MinObjectPrecision(column="final_caption").keep(table).to_pylist() == [False]


def test_the_lexicon_is_part_of_the_identity():
    nano = CaptionEvidence(evidence=Evidence(read_lexicon("nano/lexicon.toml")))
    assert stage_id(nano) != stage_id(CaptionEvidence())
    assert stage_id(pickle.loads(pickle.dumps(nano))) == stage_id(nano)


def test_a_bad_column_is_named():
    with pytest.raises(PlanError, match="my caption"):
        CaptionEvidence("my caption")
