import pytest

from curate.captions.questioning.blind import BlindPrompt, allowed_hits, blind_rates, gain, guessers, leakage, scores


def question(kind="count", verified=True, expected="3"):
    return {"kind": kind, "verified": verified, "expected": expected}


def blind(*right, answers=None):
    return {"answers": answers or ["x"] * len(right), "right": list(right), "hits": sum(right)}


@pytest.mark.parametrize(
    ("models", "share", "hits"), [(8, 0.25, 2), (7, 0.25, 1), (3, 0.25, 0), (10, 0.3, 3), (8, 1, 8)]
)
def test_the_limit_is_mmstars_share_of_any_number_of_models(models, share, hits):
    assert allowed_hits(models, share) == hits


def test_gain_and_leakage_are_those_of_mmstar():
    assert gain(0.57, 0.2) == pytest.approx(0.37)
    assert leakage(0.43, 0.25) == pytest.approx(0.18)
    assert leakage(0.2, 0.25) == 0
    assert gain(0.2, 0.3) < 0


ROWS = [
    {"qa": [question(), question("text", False)], "qa_blind": [blind(True, False), blind(True, True)]},
    {"qa": [question(), question("short", None)], "qa_blind": [blind(False, False), {"right": None, "hits": None}]},
    {"qa": None, "qa_blind": None},
    {"qa": [question()], "qa_blind": None},
]


def test_scores_are_over_the_same_questions_for_all():
    assert scores(ROWS, ["a", "b"]) == {"seen": 2 / 3, "a": 2 / 3, "b": 1 / 3}
    assert scores([], ["a"]) == {"seen": None, "a": None}


def test_rates_of_a_pool_go_by_kind_and_over_all():
    rates = {rate.kind: rate for rate in blind_rates(ROWS)}
    assert list(rates) == ["count", "text", "all"]
    assert (rates["count"].questions, rates["count"].seen, rates["count"].blind) == (2, 1.0, 0.25)
    assert rates["all"].over == pytest.approx(2 / 3)
    assert blind_rates([]) == []


def test_only_who_never_changes_the_answer_is_a_guesser():
    asked = [question("yes_no", expected=e) for e in ("yes", "no", "no")] + [question()]
    said = [["no", "yes", "Yes."], ["no", "no", "no"], ["no", "yes", "yes"], ["3", "3", "3"]]
    assert guessers(asked, [blind(True, True, True, answers=one) for one in said]) == {0}
    assert guessers(asked[:1], [blind(True, answers=["no"])]) == frozenset()
    assert guessers([], []) == frozenset()


def test_examples_and_question_stand_in_the_prompt():
    text = BlindPrompt().fill("What is it?")
    assert text.count("Question:") == 3
    assert text.endswith("Question: What is it?\nAnswer:")
    assert BlindPrompt("bare", "", ()).fill("What is it?") == "What is it?"
