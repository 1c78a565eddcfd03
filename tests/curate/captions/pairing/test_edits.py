"""Laws of edits: right before, wrong afterwards, and nothing else changed."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curate.captions.checking.evidence import Evidence
from curate.captions.checking.image_evidence import ImageEvidence
from curate.captions.checking.lexicon import read_lexicon
from curate.captions.choices import Choices
from curate.captions.pairing.change import apply
from curate.captions.pairing.edits import EDITS, make_edit
from nano.world.scenes import make_scene
from nano.world.texts import dense_caption
from schemas.preference import EDIT_KINDS

NANO = Evidence(read_lexicon("nano/lexicon.toml"))
COCO = Evidence()


def box(label, x, y=0.5, score=0.9):
    return {"label": label, "box": [x - 0.1, y - 0.1, x + 0.1, y + 0.1], "score": score}


def line(text, score=0.97):
    return {"text": text, "box": [0.4, 0.1, 0.6, 0.2], "score": score}


def edited(kind, text, objects=(), lines=(), seed=0, evidence=COCO):
    seen = ImageEvidence(evidence, list(objects), list(lines))
    changes = make_edit(kind, text, seen, Choices(seed, "s", "u"))
    return changes and apply(text, changes)


def every(kind, text, objects=(), lines=()):
    """Return all edits that twenty seeds make."""
    return {edited(kind, text, objects, lines, seed) for seed in range(20)}


def test_every_kind_has_its_edit():
    assert set(EDITS) == set(EDIT_KINDS)


def test_an_added_object_is_nowhere_in_image_and_text():
    found = every("added_object", "A dog. No cats here.", [box("dog", 0.2), box("bus", 0.5, score=0.1)])
    assert len(found) > 5
    for text in found:
        (new,) = {m.label for m in COCO.lexicon.mentions(text)} - {"dog", "cat"}
        assert new != "bus"
        assert text.startswith("A dog.")


def test_a_swapped_object_is_swapped_wherever_it_is_named_with_article_and_number():
    found = every("swapped_object", "An apple on a table. The apple is red.", [box("apple", 0.5)])
    for text in found:
        assert "apple" not in text
        first, second = (m.label for m in COCO.lexicon.mentions(text) if m.label != "dining table")
        assert first == second
        assert ("An " in text[:3]) == (first[0] in "aeiou")
    for text in every("swapped_object", "Two cats run.", [box("cat", 0.2), box("cat", 0.8)]):
        assert [m.count for m in COCO.lexicon.mentions(text)] == [2]


def test_an_object_that_nobody_saw_is_not_swapped():
    assert every("swapped_object", "A dog.", [box("cat", 0.5)]) == {None}
    assert every("swapped_object", "A dog.", [box("dog", 0.5, score=0.3)]) == {None}


@pytest.mark.parametrize(
    ("text", "without"),
    [
        ('A shop. A red sign reads "Fresh bread". A man walks.', "A shop. A red sign bears some text. A man walks."),
        ('A shop with a sign that says "Fresh bread" and a man.', "A shop with a sign and a man."),
        ('A shop, labeled "Fresh bread", is open.', "A shop is open."),
        ('"Fresh bread" is on the wall. A man walks.', "Some text is on the wall. A man walks."),
        ("Signs say “Fresh bread” and two dogs play.", "Signs bear some text and two dogs play."),
    ],
)
def test_a_missing_text_takes_its_words_with_it(text, without):
    assert edited("missing_text", text, (), [line("FRESH BREAD")]) == without


def test_a_text_that_is_not_in_the_image_is_left_alone():
    for kind in ("missing_text", "changed_text"):
        assert every(kind, 'A man. A sign reads "Fresh bread".', (), [line("taxi")]) == {None}
        assert every(kind, 'A man. A sign reads "Fresh bread".') == {None}
        assert every(kind, 'A man. A sign reads "Fresh bread".', (), [line("Fresh bread", 0.7)]) == {None}


def test_a_changed_text_keeps_its_form():
    found = every("changed_text", 'A sign reads "SALE 50".', (), [line("SALE 50")])
    assert None not in found
    for text in found:
        quoted = text.split('"')[1]
        assert quoted != "SALE 50"
        assert quoted == quoted.upper()


def test_a_count_is_changed_only_where_the_detector_is_sure_of_it():
    cats = [box("cat", 0.2), box("cat", 0.8)]
    found = every("wrong_count", "Two cats sit. The two cats sleep.", cats)
    assert found <= {"Three cats sit. The three cats sleep.", "Four cats sit. The four cats sleep."}
    assert len(found) == 2
    assert every("wrong_count", "Two cats sit.", [*cats, box("cat", 0.5, score=0.3)]) == {None}
    assert every("wrong_count", "Three cats sit.", cats) == {None}


def test_large_numbers_are_written_too():
    many = [box("bird", 0.5)] * 20
    found = every("wrong_count", "Twenty birds fly.", many) | every("wrong_count", "20 birds fly.", many)
    assert "22 birds fly." in found
    assert "Nineteen birds fly." in found


def test_one_becomes_several_only_where_no_verb_would_disagree():
    assert every("wrong_count", "A dog runs.", [box("dog", 0.5)]) == {None}
    assert every("wrong_count", "A man with a dog.", [box("dog", 0.5)]) >= {"A man with two dogs."}


def test_a_colour_is_changed_to_one_that_nobody_would_call_the_same():
    for text in every("wrong_attribute", 'A red car by a "red wall".'):
        assert text.endswith('car by a "red wall".')
        colour = text.split()[1]
        assert colour not in ("red", "orange", "pink", "brown")
    assert every("wrong_attribute", "A black and white photo; the car is red.") == {None}
    assert all(" an orange" not in text or "a orange" not in text for text in every("wrong_attribute", "A green car."))


def test_a_position_is_turned_round_only_where_it_was_right():
    assert every("wrong_position", "The dog is in the top left.", [box("dog", 0.15, 0.15)]) <= {
        "The dog is in the top right.",
        "The dog is in the bottom left.",
    }
    assert every("wrong_position", "The dog is in the top left.", [box("dog", 0.85, 0.15)]) == {None}
    assert every("wrong_position", "The dog is to the left of the cat.", [box("dog", 0.2), box("cat", 0.8)]) == {None}


def test_every_edit_of_a_true_caption_measures_worse():
    made = dict.fromkeys(EDITS, 0)
    for i in range(30):
        _, scene = make_scene(4_000_000_600_000 + i)
        size = (scene.width, scene.height) * 2
        boxes = [[v / s for v, s in zip(thing.box, size, strict=True)] for thing in scene.objects]
        objects = [{"label": t.name, "box": b, "score": 0.9} for t, b in zip(scene.objects, boxes, strict=True)]
        lines = [line(scene.sign.text)] if scene.sign else []
        text, seen = dense_caption(scene, random.Random(i)), ImageEvidence(NANO, objects, lines)
        for kind in EDITS:
            worse = edited(kind, text, objects, lines, i, NANO)
            if worse is not None:
                made[kind] += 1
                assert worse != text
                assert kind == "wrong_attribute" or seen.score(worse) < seen.score(text)
    assert min(made.values()) > 5


WORDS = st.sampled_from(
    ["A", "an", "dog", "dogs", "two", "red", "cat", '"STOP"', "sign", "reads", "left", "in the top left", ".", ",",
     "\n", "that says", "2", "\u017f", "İ", "犬", '"', "is", "and", "There is"]
)  # fmt: skip


@settings(max_examples=150, deadline=None, database=None)
@given(st.lists(WORDS, max_size=25), st.integers(0, 5))
def test_any_text_is_edited_without_fault(words, seed):
    text = " ".join(words)
    objects = [box("dog", 0.2), box("cat", 0.15, 0.15), {"label": None, "box": None, "score": None}]
    for kind in EDITS:
        assert edited(kind, text, objects, [line("STOP")], seed) != text
