"""The evaluation of semantic and text deduplication finds what is planted, and next to nothing else."""

import pytest

from nano.evaluate.semantic import evaluate_images, evaluate_texts


@pytest.mark.models
def test_images_encoded_again_are_found_but_for_pairs_that_every_clustering_splits():
    once, twice = evaluate_images(12, ["re-encode"]), evaluate_images(12, ["re-encode"], clusterings=2)

    assert once[0]["split"] == pytest.approx(1 / 12)  # scene 3: a cosine of 0.999, and the nearest centroids differ
    assert twice[0]["split"] == 0
    for rows in (once, twice):
        assert [row["recall"] for row in rows] == pytest.approx([1 - rows[0]["split"]] * len(rows))
    assert [row["precision"] for row in twice if row["epsilon"] <= 0.05] == [1.0, 1.0]


def test_texts_in_another_case_are_found_and_those_with_a_word_replaced_as_far_as_they_agree():
    rows = {
        (row["change"], row["Jaccard"]): row for row in evaluate_texts(12, ["case and punctuation", "a word replaced"])
    }
    assert rows["short: case and punctuation", 0.9] == {
        "change": "short: case and punctuation",
        "Jaccard": 0.9,
        "recall": 1.0,
        "precision": 1.0,
    }
    assert rows["short: a word replaced", 0.5]["recall"] > rows["short: a word replaced", 0.8]["recall"]
    assert rows["dense: a word replaced", 0.8]["recall"] == 1.0
