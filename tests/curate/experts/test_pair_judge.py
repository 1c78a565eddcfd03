import dataclasses

import pyarrow as pa
import pytest

from curate.engines.fake import FakeEngine
from curate.errors import PlanError, SampleError
from curate.experts.pair_judge import PairJudge
from curate.stages import Batch
from tests.curate.experts.test_preference_pair import pictures as images


def prefers_dogs(request):
    """Judge by the word dog; unreadable for goats, refused for owls."""
    first, second = request.prompt.split("### Response 1:")[1].split("### Response 2:")
    if "owl" in first + second:
        raise SampleError("engine_rejected", "no")
    if "goat" in first + second:
        return "I like both."
    dogs = "dog" in first, "dog" in second
    return {(True, False): "1", (False, True): "2"}.get(dogs, "Tie") + "\n### Reason: dogs"


JUDGE = PairJudge(FakeEngine(prefers_dogs, "dogs"), longest_side_px=112)
PAIRS = [("a dog", "a cat"), ("a cat", "a dog"), ("a cat", "a cow"), ("a goat", "a dog"), (None, None)]


def judged(judge, pairs=PAIRS):
    columns = {"uid": [f"u{i}" for i in range(len(pairs))], "pair_prompt": ["Describe."] * len(pairs)}
    chosen, rejected = zip(*pairs, strict=True)
    table = pa.table(
        columns | {"pair_chosen": pa.array(chosen, pa.string()), "pair_rejected": pa.array(rejected, pa.string())}
    )
    return judge.load()(Batch(table, (), images(len(pairs)) if judge.picture else ()))


def test_both_orders_are_asked_and_told_apart():
    judgement = judged(JUDGE)
    assert judgement.columns["pair_judge_preference"] == ["chosen", "rejected", "tie", "unparsed", None]
    assert judgement.columns["pair_judge_answer"] == ["1", "2", "tie", "unparsed", None]
    assert judgement.columns["pair_judge_answer_swapped"] == ["2", "1", "tie", "unparsed", None]
    assert judgement.columns["pair_judge_agreement"] == [True, True, True, None, None]
    assert judgement.columns["pair_judge_reasons"][0] == ["dogs", "dogs"]
    assert not any(judgement.errors)


def test_swapping_the_sides_swaps_the_preference():
    swapped = judged(JUDGE, [(b, a) for a, b in PAIRS]).columns["pair_judge_preference"]
    other = {"chosen": "rejected", "rejected": "chosen"}
    assert swapped == [other.get(said, said) for said in judged(JUDGE).columns["pair_judge_preference"]]


def test_a_judge_that_looks_at_the_place_only_is_inconsistent():
    first = dataclasses.replace(JUDGE, engine=FakeEngine(lambda request: "1", "first"))
    assert set(judged(first).columns["pair_judge_preference"][:4]) == {"inconsistent"}


def test_the_image_and_guided_decoding_are_options():
    asked = []

    def keep(request):
        asked.append(request)
        return "Tie"

    engine = FakeEngine(keep, "keep")
    judged(dataclasses.replace(JUDGE, engine=engine))
    judged(dataclasses.replace(JUDGE, engine=engine, picture=False, structured=False))
    assert [request.image is not None for request in asked] == [True] * 8 + [False] * 8
    assert [request.json_schema is not None for request in asked] == [True] * 8 + [False] * 8
    assert PairJudge(engine, picture=False).pixels is None


def test_a_refused_request_is_an_error_of_its_row_alone():
    judgement = judged(JUDGE, [("a dog", "a cat"), ("an owl", "a dog")])
    assert [error and error.code for error in judgement.errors] == [None, "engine_rejected"]
    assert judgement.columns["pair_judge_preference"] == ["chosen", None]


def test_bad_settings_are_named():
    with pytest.raises(PlanError, match="max_tokens=1"):
        PairJudge(FakeEngine(prefers_dogs), max_tokens=1)
