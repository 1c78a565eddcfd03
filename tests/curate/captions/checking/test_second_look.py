import pytest

from curate.captions.checking.second_look import Answer, both_scales, outcome, read_answer

WHOLE, PARTS = [0, 0, 1, 1], [[0, 0, 0.5, 0.5], [0.5, 0.5, 1, 1]]
YES, NO, OTHER = Answer(True, 0.9), Answer(False, 0.9), Answer(None)


def entry(full, *close, label="dog"):
    return both_scales(label, [WHOLE, *PARTS[: len(close)]], [full, *close], 0.6)


@pytest.mark.parametrize(("text", "yes"), [("yes", True), (" No.", False), ("YES", True), ("maybe", None), ("", None)])
def test_only_yes_and_no_are_answers(text, yes):
    assert read_answer(text, 0.5).yes is yes


def test_of_several_close_parts_the_one_that_speaks_most_for_yes_counts():
    best = entry(YES, NO, Answer(True, 0.7))
    assert (best["zoom_yes"], best["zoom_confidence"], best["zoom_box"]) == (True, 0.7, PARTS[1])
    assert entry(YES, NO, OTHER)["zoom_yes"] is None


def test_an_unsure_yes_among_several_parts_is_a_no_and_on_the_only_part_a_yes():
    unsure = Answer(True, 0.5)
    assert (entry(YES, NO, unsure)["zoom_yes"], entry(YES, NO, unsure)["zoom_confidence"]) == (False, None)
    assert (entry(YES, unsure)["zoom_yes"], entry(YES, unsure)["zoom_confidence"]) == (True, 0.5)


def test_every_class_is_confirmed_denied_or_disputed_and_only_once():
    pairs = [(full, close) for full in (YES, NO, OTHER) for close in (YES, NO, OTHER)]
    lists = outcome([entry(*pair, label=f"class {i}") for i, pair in enumerate(pairs)])
    labels = [*lists["objects_confirmed"], *lists["objects_denied"], *lists["objects_disputed"]]
    assert sorted(labels) == [f"class {i}" for i in range(len(pairs))]
    assert lists["objects_confirmed"] == ["class 0"]
    assert lists["objects_denied"] == ["class 4"]
