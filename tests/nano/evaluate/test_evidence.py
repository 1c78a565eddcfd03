from curate.captions.checking.evidence import Evidence
from curate.captions.checking.lexicon import read_lexicon
from nano.evaluate.evidence import LEXICON, PLANTS, by_truth, measure


def test_planted_wrong_claims_are_found_and_true_captions_are_left_alone():
    rows = {row["wrong claim"]: row for row in measure(by_truth(30), Evidence(read_lexicon(str(LEXICON))))}
    assert len(PLANTS) == 8
    assert rows.pop("(true captions without any mark)")["recall"] == 1.0
    for name, row in rows.items():
        assert row["planted"] > 5
        assert row["precision"] >= 0.98
        assert row["recall"] >= (0.85 if name == "place" else 0.97)
