import pickle

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curate.captions.questioning.answers import LONGEST
from curate.captions.questioning.verifiers import Count, TextMatch, Verifier, Words, YesNo, holds
from curate.errors import PlanError

EACH = [
    YesNo(),
    Count(),
    Words(),
    TextMatch(),
]
CASES = [
    (YesNo(), "yes", ["Yes", "yes.", "YES, there is no doubt", "That is true."], ["no", "maybe", ""]),
    (YesNo(), "No", ["no", "There is no dog.", "Nope"], ["yes", "not sure", "It may be yes or no."]),
    (Count(), "3", ["3", "three", "There are three dogs.", "Three (3)."], ["2", "two or three", "many", "3.5", ""]),
    (Count(), "zero", ["0", "none", "There are no dogs."], ["one", "a dog"]),
    (Count(), "21", ["twenty-one", "Twenty one", "21 birds"], ["twenty", "one", "20, 1"]),
    (Count(), "105", ["one hundred and five", "105"], ["100", "five"]),
    (Count(), "1", ["a dog", "There is an apple", "one"], ["no dog", "two"]),
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


@pytest.mark.parametrize(("verifier", "label"), [(YesNo(), "no"), (Count(), "3"), (Words(), "cat")])
def test_what_a_long_answer_says_beyond_its_first_characters_is_not_read(verifier, label):
    filler = "so " * LONGEST
    assert verifier.verify(f"{filler[: LONGEST - 100]} {label}", label) is True
    assert verifier.verify(f"{filler} {label}", label) is False


@pytest.mark.parametrize(
    "make",
    [
        lambda: Words(100),
        lambda: TextMatch(101),
    ],
)
def test_bad_settings_are_named(make):
    with pytest.raises(PlanError):
        make()
