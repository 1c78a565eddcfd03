import pickle

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curate.captions.questioning.verifiers import (
    BoxIou,
    Count,
    Number,
    RangeIou,
    Scored,
    TextMatch,
    Timestamp,
    Verifier,
    Words,
    YesNo,
    holds,
)
from curate.errors import PlanError


def same_start(answer, label):
    return 1.0 if answer[:1] == label[:1] else 0.25


EACH = [
    YesNo(),
    Count(),
    Number(),
    Number(0.1),
    Timestamp(),
    RangeIou(),
    BoxIou(),
    BoxIou(answer_form="xywh_centre", label_form="xywh_corner"),
    Words(),
    TextMatch(),
    Scored(same_start, "same-start"),
]
CASES = [
    (YesNo(), "yes", ["Yes", "yes.", "YES, there is no doubt", "That is true."], ["no", "maybe", ""]),
    (YesNo(), "No", ["no", "There is no dog.", "Nope"], ["yes", "not sure", "It may be yes or no."]),
    (Count(), "3", ["3", "three", "There are three dogs.", "Three (3)."], ["2", "two or three", "many", "3.5", ""]),
    (Count(), "zero", ["0", "none", "There are no dogs."], ["one", "a dog"]),
    (Count(), "21", ["twenty-one", "Twenty one", "21 birds"], ["twenty", "one", "20, 1"]),
    (Count(), "105", ["one hundred and five", "105"], ["100", "five"]),
    (Count(), "1", ["a dog", "There is an apple", "one"], ["no dog", "two"]),
    (Number(), "100", ["100", "105", "95 km", "It was 100.0 of 200"], ["105.1", "94.9", "", "about a hundred"]),
    (Number(0.1), "100", ["110", "90"], ["110.1", "89.9"]),
    (Number(), "1", ["1.05", "0.95"], ["1.06"]),
    (Number(), "0", ["0"], ["0.01"]),
    (Number(), "-4", ["-4", "-4.2"], ["4"]),
    (Number(), "12,500", ["12500", "12,000"], ["12"]),
    (Timestamp(), "12.5", ["12.5", "00:12.5", "at 0:12.6 s", "12.4"], ["12.7", "1:12.5", "soon"]),
    (Timestamp(), "1:02:03", ["3723", "01:02:03"], ["1:02"]),
    (RangeIou(), "0 to 10", ["0-10", "from 2 to 10 s", "00:00 - 00:09"], ["5 to 10", "10 to 0", "10 to 20", "3"]),
    (BoxIou(), "0 0 100 100", ["[0, 0, 100, 100]", "10,10,100,100"], ["50 50 150 150", "0 0 50 100", "[1,2,3]"]),
    (BoxIou(answer_form="xywh_centre"), "0 0 100 100", ["50 50 100 100"], ["0 0 100 100"]),
    (BoxIou(label_form="xywh_corner"), "10 10 90 90", ["10 10 100 100"], ["10 10 45 90"]),
    (
        Words(),
        "pulling a rope",
        ["They are pulling ropes.", "A rope that someone pulling holds"],
        ["pulling", "They are not pulling a rope", "a boat", ""],
    ),
    (Words(), "dog", ["There are two dogs.", "It is not a cat, it is a dog"], ["cat", "no dog", "There isn't any dog"]),
    (Words(), "no smoking", ["It says no smoking"], ["smoking"]),
    (Words(), "to be", ["to be"], ["to do"]),
    (TextMatch(), "Grand Hotel", ["grand hotel", 'The sign says "GRAND HOTEL".', "It reads grand hotel"], []),
    (TextMatch(), "Grand Hotel", [], ["hotel", 'It says "Grand Hotel and Bar"', "", "the " * 9 + "grand hotel"]),
    (TextMatch(), "営業中", ["営業中", "看板は「営業中」です"], ["閉店"]),
    (Scored(same_start, "same-start"), "dog", ["d"], ["cat"]),
]  # fmt: skip


@pytest.mark.parametrize(("verifier", "label", "right", "wrong"), CASES)
def test_a_verifier_tells_right_from_wrong(verifier, label, right, wrong):
    assert {said: holds(verifier, said, label) for said in right} == dict.fromkeys(right, True)
    assert {said: holds(verifier, said, label) for said in wrong} == dict.fromkeys(wrong, False)


@pytest.mark.parametrize("verifier", EACH, ids=lambda verifier: verifier.name)
def test_a_label_that_says_nothing_is_null_and_not_a_pass(verifier):
    assert holds(verifier, "anything 1 2 3 4", "") is None


@pytest.mark.parametrize("verifier", EACH, ids=lambda verifier: verifier.name)
def test_trap_5_every_verifier_has_its_own_settings_and_travels(verifier):
    assert isinstance(verifier, Verifier)
    copy = pickle.loads(pickle.dumps(verifier))
    assert repr(copy) == repr(verifier)


def test_trap_5_an_answer_that_repeats_itself_never_holds():
    answer = "The dog is red. " * 3
    assert Words().verify(answer, "dog")
    assert holds(Words(), answer, "dog") is False
    assert holds(Words(), "The dog is red.", "dog") is True
    assert holds(Words(), answer, "cat") is False


@pytest.mark.parametrize("verifier", EACH, ids=lambda verifier: verifier.name)
def test_no_text_makes_a_verifier_raise(verifier):
    text = st.text(max_size=60) | st.text("0123456789.,:- yesno\"'", max_size=40)

    @settings(max_examples=60, deadline=None, database=None)
    @given(text, text)
    def check(answer, label):
        assert holds(verifier, answer, label) in (True, False, None)

    check()


def test_long_answers_are_read_in_little_time():
    long = "dog " * 100_000
    for verifier in EACH:
        holds(verifier, long, "cat 1 2 3 4")


@pytest.mark.parametrize(
    "make",
    [
        lambda: Number(margin=-0.1),
        lambda: Timestamp(-1),
        lambda: RangeIou(1.0),
        lambda: BoxIou(above=-1),
        lambda: BoxIou(label_form="corners"),
        lambda: Words(100),
        lambda: TextMatch(101),
    ],
)
def test_bad_settings_are_named(make):
    with pytest.raises(PlanError):
        make()
