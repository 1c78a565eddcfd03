import pytest

from curate.captions.checking.evidence import Evidence
from curate.captions.checking.grounding import Phrase, ground, swift_objects

LEFT, MIDDLE, RIGHT = ((x, 0.4, x + 0.2, 0.6) for x in (0.0, 0.4, 0.8))


def dogs(*boxes, label="dog", score=0.9):
    return [{"label": label, "box": list(box), "score": score} for box in boxes]


def seen(*objects):
    return Evidence().witnesses(objects)


def grounded(caption, objects):
    return [(phrase.phrase, phrase.boxes) for phrase in ground(caption, seen(*objects), Evidence())]


@pytest.mark.parametrize(
    ("caption", "boxes", "expected"),
    [
        ("A dog.", (LEFT,), [("dog", (LEFT,))]),
        ("A dog.", (LEFT, RIGHT), [("dog", ())]),
        ("A dog on the left.", (LEFT, RIGHT), [("dog", (LEFT,))]),
        ("A dog in the top left.", (LEFT, RIGHT), [("dog", ())]),
        ("Two dogs.", (LEFT, RIGHT), [("dogs", (LEFT, RIGHT))]),
        ("Two dogs.", (LEFT, MIDDLE, RIGHT), [("dogs", ())]),
        ("Three dogs.", (LEFT, RIGHT), [("dogs", ())]),
        ("Dogs everywhere.", (LEFT, RIGHT), [("Dogs", (LEFT, RIGHT))]),
        ("No dogs.", (LEFT,), []),
        ("A dog on the right. The puppy barks.", (LEFT, RIGHT), [("dog", (RIGHT,)), ("puppy", (RIGHT,))]),
        ("The dog barks.", (LEFT, RIGHT), [("dog", ())]),
        (
            "Two dogs: one on the middle left and one on the middle right. The dog barks.",
            (LEFT, RIGHT),
            [("dogs", (LEFT, RIGHT)), ("dog", ())],
        ),
    ],
)
def test_numbers_and_places_choose_the_boxes(caption, boxes, expected):
    assert grounded(caption, dogs(*boxes)) == expected


def test_doubtful_boxes_are_used_only_where_the_sure_ones_do_not_fit():
    objects = [*dogs(LEFT), *dogs(RIGHT, score=0.3)]
    assert grounded("A dog.", objects) == [("dog", (LEFT,))]
    assert grounded("Two dogs.", objects) == [("dogs", (LEFT, RIGHT))]


def test_offsets_are_those_of_the_caption():
    caption = "In \u0130stanbul a dog and two cats \U0001f415."
    for phrase in ground(caption, seen(*dogs(LEFT)), Evidence()):
        assert caption[phrase.start : phrase.end] == phrase.phrase


def test_swift_refs_and_boxes_are_as_many_as_their_placeholders():
    caption = "Two dogs and a cat near a <bbox> sign; a dog on the left."
    phrases = ground(caption, seen(*dogs(LEFT, RIGHT)), Evidence())
    text, objects = swift_objects(caption, phrases)
    expected = "Two <ref-object><bbox><bbox> and a cat near a \u2039bbox\u203a sign; a <ref-object><bbox> on the left."
    assert text == expected
    assert objects["ref"] == ["dogs", "dog"]
    assert objects["bbox"] == [list(LEFT), list(RIGHT), list(LEFT)]
    assert text.count("<bbox>") == len(objects["bbox"]) == len(objects["image_id"])
    assert text.count("<ref-object>") == len(objects["ref"])


def test_a_row_of_the_column_is_a_phrase():
    row = {"phrase": "dog", "start": 2, "end": 5, "label": "dog", "boxes": [[0.10000000149011612, 0.25, 0.5, 1.0]]}
    text, objects = swift_objects("A dog.", [Phrase(**row)])
    assert (text, objects["bbox"]) == ("A <ref-object><bbox>.", [[0.1, 0.25, 0.5, 1.0]])


def test_a_caption_without_boxes_stays_what_it_is():
    assert swift_objects("A cat.", [Phrase("cat", 2, 5, "cat")])[0] == "A cat."
