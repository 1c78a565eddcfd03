"""Laws of what pairs are decided by, and the examples of the pure modules."""

import math

import pytest

from curate.captions.checking.evidence import Evidence
from curate.captions.checking.image_evidence import ImageEvidence
from curate.captions.choices import Choices
from curate.captions.pairing.choosing import best_and_worst, in_drawn_order


def test_the_first_kind_comes_in_the_share_of_its_weight_and_the_order_is_of_all():
    weights = {"a": 1.0, "b": 2.0, "c": 5.0, "never": 0.0}
    orders = [list(in_drawn_order(weights, Choices(0, "s", str(i)))) for i in range(2000)]
    assert {frozenset(order) for order in orders} == {frozenset("abc")}
    shares = {kind: sum(order[0] == kind for order in orders) / 2000 for kind in "abc"}
    assert all(abs(shares[kind] - weights[kind] / 8) < 0.03 for kind in "abc")


@pytest.mark.parametrize(
    ("texts", "scores", "expected"),
    [
        (["x", "x"], [0.5, 0.5], None),
        ([], [], None),
        (["x y", "x"], [None, None], (0, 1)),
        (["x", "y", "z"], [0.1, 0.9, None], (1, 0)),
        (["x y z", "a b", "c d e"], [0.5, 0.5, 0.5], (0, 2)),
    ],
)
def test_best_and_worst_by_score_then_by_nearest_length(texts, scores, expected):
    assert best_and_worst(texts, scores) == expected


def test_the_score_pays_for_neither_brevity_nor_length():
    dog, cat = ({"label": name, "box": [0.1, 0.1, 0.2, 0.2], "score": 0.9} for name in ("dog", "cat"))
    seen = ImageEvidence(Evidence(), [dog, cat], [])
    short, full, padded, invented = (
        seen.score(text)
        for text in ("A dog.", "A dog and a cat.", "A dog and a cat, so lovely.", "A dog, a cat, a bus and a kite.")
    )
    assert short < full == padded == 1.0
    assert invented < full
    assert ImageEvidence(Evidence(), [], []).score("Sand.") is None
    assert math.isclose(ImageEvidence(Evidence(), [], []).score("A dog."), 0.0)
