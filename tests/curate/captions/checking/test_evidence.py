import dataclasses
import pickle
import random
import time

import pytest

from curate.captions.checking.evidence import Claims, CountClaim, Evidence, PlaceClaim
from curate.captions.checking.lexicon import read_lexicon
from curate.captions.checking.matching import found_in, least_errors
from curate.errors import PlanError

EVIDENCE = Evidence()


def boxes(*labels, score=0.9):
    return [{"label": label, "box": [0.1, 0.1, 0.3, 0.3], "score": score} for label in labels]


def lines(*texts, score=0.95):
    return [{"text": text, "box": [0.1, 0.1, 0.3, 0.3], "score": score} for text in texts]


def test_objects_are_compared_both_ways():
    claims = EVIDENCE.measure(
        "A puppy chases a cat past some bikes.", boxes("dog", "bicycle", "bicycle", "bench"), None
    )
    assert (claims.supported, claims.unsupported, claims.missed) == (("dog", "bicycle"), ("cat",), ("bench",))
    assert claims.object_precision == pytest.approx(2 / 3)
    assert claims.object_recall == pytest.approx(2 / 3)


@pytest.mark.parametrize(
    ("caption", "objects", "ocr", "expected"),
    [
        (None, boxes("dog"), [], (None, None, None, None)),
        ("A dog.", None, None, (None, None, None, None)),
        ("A tree.", [], [], (None, None, None, None)),
        ("A tree.", boxes("dog"), [], (None, 0.0, None, None)),
        ("A dog.", [], [], (0.0, None, None, None)),
        ('"STOP"', [], [], (None, None, 0.0, None)),
        ('"STOP"', [], None, (None, None, None, None)),
        ("", [], lines("STOP"), (None, None, None, 0.0)),
    ],
)
def test_null_means_nothing_to_compare_or_nothing_to_compare_it_with(caption, objects, ocr, expected):
    claims = EVIDENCE.measure(caption, objects, ocr)
    assert (claims.object_precision, claims.object_recall, claims.text_precision, claims.text_recall) == expected


def test_a_doubtful_box_supports_a_claim_but_is_not_missed():
    doubt = boxes("dog", score=0.3)
    assert EVIDENCE.measure("A dog.", doubt, None).supported == ("dog",)
    assert EVIDENCE.measure("A cat.", doubt, None).missed == ()
    assert EVIDENCE.measure("A dog.", boxes("dog", score=0.2), None).unsupported == ("dog",)


def test_classes_that_the_detector_does_not_know_are_not_judged():
    some = Evidence(detector_labels=("dog", "cat"))
    claims = some.measure("A dog, a zebra and a car.", boxes("dog"), None)
    assert (claims.object_precision, claims.unsupported, claims.unjudged) == (1.0, (), ("zebra", "car"))
    assert some.measure("A zebra.", boxes("dog"), None).object_precision is None


def test_labels_that_the_lexicon_does_not_know_are_passed_over():
    claims = EVIDENCE.measure("A dog.", [*boxes("dog", "gargoyle"), {"label": None, "box": None, "score": None}], None)
    assert (claims.object_precision, claims.object_recall) == (1.0, 1.0)


def test_broken_boxes_are_passed_over():
    broken = [{"label": "dog", "box": box, "score": 0.9} for box in (None, [0.1], [float("nan")] * 4, [None] * 4)]
    assert EVIDENCE.measure("A dog.", broken, None).unsupported == ("dog",)


@pytest.mark.parametrize(
    ("quoted", "seen", "supported"),
    [
        ("NO SWIMMING", ["no", "swimming"], True),
        ("NO SWIMMING", ["swimming", "NO"], True),
        ("No Swimming!", ["NOSWIMMING"], True),
        ("Grand Cafe", ["Grand Cafe de Paris"], True),
        ("Welcome home", ["Welcame home"], True),
        ("Welcome home", ["Goodbye home"], False),
        ("ART", ["CART"], False),
        ("Go", ["go", "on"], True),
        ("Caf\u00e9", ["CAFE"], True),
        ("停车", ["请停车入位"], True),
        ("\uff2f\uff30\uff25\uff2e", ["open"], True),
        ("Grand Hotel Paris", ["Grand", "1923", "Paris", "Hotel"], True),
    ],
)
def test_quoted_text_is_found_whatever_case_blanks_lines_and_small_errors(quoted, seen, supported):
    claims = EVIDENCE.measure(f'It says "{quoted}".', None, lines(*seen))
    assert claims.text_precision == float(supported)
    assert claims.unsupported_texts == (() if supported else (quoted,))


def test_text_counts_as_told_outside_quotation_marks_too():
    claims = EVIDENCE.measure("A bottle of Coca Cola.", None, lines("Coca-Cola", "since 1886"))
    assert (claims.text_precision, claims.text_recall, claims.missed_texts) == (None, 0.5, ("since 1886",))


def test_a_line_read_with_doubt_is_not_missed():
    assert EVIDENCE.measure("A dog.", None, lines("STOP", score=0.7)).text_recall is None
    assert EVIDENCE.measure('"STOP"', None, lines("STOP", score=0.7)).text_precision == 1.0


@pytest.mark.parametrize(
    ("caption", "seen", "right"),
    [
        ("Two dogs.", 2, True),
        ("Two dogs.", 3, False),
        ("Three dogs.", 2, False),
        ("A dog.", 1, True),
        ("A dog.", 2, False),
        ("Two dogs. The two dogs run.", 2, True),
        ("Two dogs and another dog.", 3, True),
        ("Two dogs on the grass, three dogs on the path.", 5, True),
        ("A dog runs. Another dog sleeps.", 2, True),
        ("A dog is on the left. A dog is on the right.", 2, True),
        ("A dog and a cat. A large dog is in the top left.", 1, True),
        ("A dog and a cat. A large dog is in the top left.", 2, False),
        ("No dogs.", 1, False),
        ("A dog's face. The dog barks. A second dog is on the right.", 2, True),
        ("A dog's face. The dog barks. A second dog is on the right.", 1, False),
        ("Two puppies and an old hound.", 3, True),
        ("Two dogs: a poodle and a pug.", 2, True),
        ("Two puppies in front, dogs behind them.", 7, True),
        ("Two puppies play. The puppies bark.", 7, False),
    ],
)
def test_numbers(caption, seen, right):
    claims = EVIDENCE.measure(caption, boxes(*["dog"] * seen), None)
    assert (len(claims.right_counts), len(claims.wrong_counts)) == ((1, 0) if right else (0, 1))


@pytest.mark.parametrize("caption", ["Dogs.", "Several dogs.", "The dog.", "A tree."])
def test_what_says_no_number_claims_none(caption):
    claims = EVIDENCE.measure(caption, boxes("dog", "dog"), None)
    assert claims.right_counts == claims.wrong_counts == ()


def test_a_number_is_wrong_only_if_no_threshold_makes_it_right():
    some = [*boxes("dog", "dog"), *boxes("dog", "dog", score=0.3)]
    wrong = {n: EVIDENCE.measure(f"{n} dogs.", some, None).wrong_counts for n in range(2, 7)}
    assert [n for n, found in wrong.items() if found] == [5, 6]
    assert wrong[5] == (CountClaim("dog", 5, 4),)


def test_objects_that_nobody_saw_are_unsupported_not_miscounted():
    claims = EVIDENCE.measure("Two cats on the left.", boxes("dog"), None)
    assert claims.unsupported == ("cat",)
    assert claims.wrong_counts == claims.wrong_places == ()
    assert claims.wrong == 1


def test_what_a_caption_denies_is_no_claim():
    claims = EVIDENCE.measure("A dog. There are no cats.", boxes("dog"), [])
    assert (claims.object_precision, claims.unsupported) == (1.0, ())


def test_a_place_is_right_if_any_box_of_the_class_is_there():
    two = [{"label": "dog", "box": [x, 0.4, x + 0.2, 0.6], "score": 0.9} for x in (0.0, 0.8)]
    claims = EVIDENCE.measure("One dog in the middle left, one dog in the top right.", two, None)
    assert claims.right_places == (PlaceClaim("dog", "middle left", "middle left"),)
    assert [(wrong.label, wrong.said) for wrong in claims.wrong_places] == [("dog", "top right")]


def test_it_is_sent_and_compared_by_value():
    assert pickle.loads(pickle.dumps(EVIDENCE)) == EVIDENCE
    assert len(repr(EVIDENCE)) < 300
    assert Claims() == EVIDENCE.measure(None, None, None)


def test_bad_settings_are_named():
    with pytest.raises(PlanError, match="sure_object_score"):
        Evidence(min_object_score=0.6)
    with pytest.raises(PlanError, match="min_similarity"):
        Evidence(min_similarity=0.0)
    with pytest.raises(PlanError, match="unicorn"):
        Evidence(read_lexicon("coco80"), detector_labels=("dog", "unicorn"))


def slow_errors(part, whole):
    above = [0] * (len(whole) + 1)
    for i, a in enumerate(part, 1):
        row = [i]
        for j, b in enumerate(whole, 1):
            row.append(min(above[j] + 1, row[-1] + 1, above[j - 1] + (a != b)))
        above = row
    return min(above)


@pytest.mark.parametrize("seed", range(200))
def test_least_errors_is_the_edit_distance_to_the_best_place(seed):
    rng = random.Random(seed)
    part, whole = ("".join(rng.choices("abc", k=rng.randint(1, most))) for most in (9, 16))
    assert least_errors(part, whole) == slow_errors(part, whole)
    assert found_in(part, part, 1.0)


@pytest.mark.parametrize(
    "caption",
    [
        "a dog in the top left " * 5_000,
        "dog " + "a one " * 20_000 + "in the top left " * 3_000,
        '"abc" ' * 20_000,
        "the a an " * 30_000,
        "in the " * 30_000,
    ],
)
def test_evidence_is_linear_on_hostile_text(caption):
    start = time.thread_time()
    EVIDENCE.measure(caption, boxes("dog") * 100, lines("x" * 300) * 1000)
    assert time.thread_time() - start < 3


def test_evidence_is_pure():
    objects, ocr = boxes("dog", "cat"), lines("STOP")
    before = repr((objects, ocr))
    assert EVIDENCE.measure("Two dogs.", objects, ocr) == EVIDENCE.measure("Two dogs.", objects, ocr)
    assert repr((objects, ocr)) == before
    assert dataclasses.replace(EVIDENCE) == EVIDENCE
