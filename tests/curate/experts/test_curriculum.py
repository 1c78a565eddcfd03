import json

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curate.corpus.rank_fraction import RankFraction
from curate.corpus.tables import measure_tables
from curate.engines.fake import FakeEngine
from curate.errors import PlanError, SampleError
from curate.experts.curriculum_judge import CurriculumJudge, read_levels
from curate.experts.curriculum_tier import CurriculumTier
from curate.experts.sample_lot import SampleLot
from curate.stages import Batch
from filters.max_rank import MaxRank
from tests.curate.experts.test_preference_pair import pictures

AXES = ("difficulty", "complexity", "relevance")


def uids(numbers):
    return [f"{number:032x}" for number in numbers]


def lots(names, **options):
    return SampleLot(**options).load()(Batch(pa.table({"uid": names}))).columns[f"{options.get('prefix', '')}lot"]


def subset(shards, n, seed=0):
    """Return the uids of a quick evaluation's subset of the shards."""
    tables = {name: pa.table({"uid": each, "lot": lots(each, seed=seed)}) for name, each in shards.items()}
    ranked = measure_tables(RankFraction("lot", highest_first=False, prefix="lot_"), tables)
    whole = pa.concat_tables(ranked.values())
    return set(whole.filter(MaxRank("lot_rank", n).keep(whole))["uid"].to_pylist())


@given(st.sets(st.integers(0, 10**6), min_size=1, max_size=40), st.integers(1, 50))
@settings(deadline=None, max_examples=8)
def test_a_subset_has_exactly_n_and_no_shard_or_order_changes_it(numbers, n):
    names = uids(sorted(numbers))
    chosen = subset({"a": names}, n)
    assert len(chosen) == min(n, len(names))
    cut = {"b": names[1::2][::-1], "c": names[::2]}
    assert subset({name: each for name, each in cut.items() if each}, n) == chosen


def test_a_smaller_subset_is_a_part_of_a_larger_and_another_seed_is_another_subset():
    names = uids(range(500))
    assert subset({"a": names}, 50) < subset({"a": names}, 100)
    assert subset({"a": names}, 100, seed=1) != subset({"a": names}, 100)


def test_added_shards_move_only_what_chance_has_to():
    old, new = uids(range(1000)), uids(range(1000, 1250))
    before, after = subset({"a": old}, 200), subset({"a": old, "b": new}, 200)
    assert after - before <= set(new)  # who comes is new; who was not chosen stays unchosen
    assert 20 <= len(before - after) <= 60  # 200 * (1 - 1000 / 1250) = 40 are expected to go


def test_a_lot_is_a_fair_draw_of_seed_and_uid_alone():
    values = np.array(lots(uids(range(4000)))) / 2**63
    assert abs(values.mean() - 0.5) < 0.02
    assert lots(uids([7])).to_pylist() == lots(uids([3, 7])).to_pylist()[1:]
    assert lots([]).to_pylist() == []
    assert lots(uids([1]), prefix="quick_").to_pylist() == lots(uids([1])).to_pylist()


def tiers(scores, shares):
    table = pa.table({"uid": uids(range(len(scores))), "level": pa.array(scores, pa.float32())})
    ranks = measure_tables(RankFraction("level", highest_first=False), {"a": table})["a"]
    stage = CurriculumTier("rank_frac", shares)
    return stage.load()(Batch(ranks)).columns["curriculum_tier"].to_pylist()


@given(st.lists(st.integers(1, 5), min_size=3, max_size=60))
@settings(deadline=None, max_examples=12)
def test_tiers_have_exact_sizes_and_means_that_do_not_fall(levels):
    found = tiers(levels, (21.0, 12.0, 3.5))
    n, edges = len(levels), [21 / 36.5, 33 / 36.5]
    first, second = (int(n * edge) for edge in edges)
    assert [found.count(tier) for tier in (1, 2, 3)] == [first, second - first, n - second]
    means = [np.mean([s for s, t in zip(levels, found, strict=True) if t == tier]) for tier in sorted(set(found))]
    assert means == sorted(means)


def test_distinct_levels_give_rising_means_and_a_null_has_no_tier():
    found = tiers([0.3, None, 0.1, 0.2, 0.9, 0.5, 0.7], (3, 2, 1))
    assert found == [1, None, 1, 1, 3, 2, 2]


@pytest.mark.parametrize("options", [{"shares": ()}, {"shares": (1.0, 0.0)}, {"column": "rank"}])
def test_tiers_that_cannot_be_are_one_sentence(options):
    with pytest.raises(PlanError, match="CurriculumTier"):
        CurriculumTier(**options)


def answer(request):
    said = request.prompt.rpartition('Description: "')[2]
    if said.startswith("refuse"):
        raise SampleError("engine_rejected", "no")
    levels = said.split()[:3]
    return json.dumps(dict(zip(AXES, map(int, levels), strict=True)) | {"reason": "so"}) if said[0].isdigit() else "Hm."


def judged(texts):
    judge = CurriculumJudge(FakeEngine(answer, "judge"), longest_side_px=112)
    table = pa.table({"uid": uids(range(len(texts))), "alt_text": pa.array(texts, pa.string())})
    return judge.load()(Batch(table, (), pictures(len(texts))))


def test_scores_and_their_mean_are_null_where_nothing_could_be_read():
    found = judged(["2 3 5 x", "what?", None, " ", "refuse this"])
    for axis, value in zip(AXES, (2, 3, 5), strict=True):
        assert found.columns[axis] == [value, None, None, None, None]
    assert found.columns["curriculum_score"][0] == pytest.approx(10 / 3)
    assert found.columns["curriculum_score"][1:] == [None] * 4
    assert found.columns["curriculum_reason"][:2] == ["so", "Hm."]
    assert [error and error.code for error in found.errors] == [None, None, None, None, "engine_rejected"]


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ('{"difficulty": 1, "complexity": 5, "relevance": 3, "reason": "x"}', (1, 5, 3)),
        ("**Difficulty**: 1\nComplexity = 5\nrelevance: 3\nBecause.", (1, 5, 3)),
        ("difficulty: 1.5, complexity: 5, relevance: 3", None),
        ("difficulty: 1, difficulty: 2, complexity: 5, relevance: 3", None),
        ("difficulty: 1, complexity: 5", None),
        ('{"difficulty": 6, "complexity": 5, "relevance": 3}', None),
        ('{"difficulty": true, "complexity": 5, "relevance": 3}', None),
        ('{"difficulty": "1", "complexity": 5, "relevance": 3}', None),
        ("[1, 2, 3]", None),
        ("[" * 10_000, None),
        ("", None),
    ],
)
def test_only_three_clear_scores_are_read(text, read):
    levels, _ = read_levels(text)
    assert levels == ({} if read is None else dict(zip(AXES, read, strict=True)))
