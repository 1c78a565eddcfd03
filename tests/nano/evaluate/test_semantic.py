"""The evaluation of semantic and text deduplication finds what is planted, and next to nothing else."""

import pytest

from nano.evaluate.semantic import evaluate_images, evaluate_texts


@pytest.mark.models
def test_images_encoded_again_are_found_and_scenes_that_differ_are_not_joined():
    by_epsilon = {row["epsilon"]: row for row in evaluate_images(12, ["re-encode"])}
    assert by_epsilon[0.05]["recall"] >= 0.9
    assert by_epsilon[0.05]["precision"] == 1.0
    assert [row["recall"] for row in by_epsilon.values()] == sorted(row["recall"] for row in by_epsilon.values())


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
