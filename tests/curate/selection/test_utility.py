import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curate.errors import PlanError
from curate.selection import utility
from curate.selection.utility import Bucket, Law, best_pool, compare_pools, pool_error, sort_buckets

LAW = Law(scale=0.022)
# What `func_effective_utility_aggregation` of locuslab/scaling_laws_data_filtering @ba37663 returns for these numbers:
# (samples a bucket, scale, d, utilities, half-lives as fitted, samples seen) -> error. Run once, beside this code.
PUBLISHED = [
    ((12800000, 0.022, 0.1, (-0.18,), (5.0,), 32000000), 0.8092472015338498),
    ((12800000, 0.022, 0.1, (-0.18,), (5.0,), 640000000), 0.6930726805470624),
    ((12800000, 0.022, 0.1, (-0.18, -0.16), (5.0, 6.5), 128000000), 0.6636916128641474),
    ((12800000, 0.033, 0.1, (-0.12, -0.11, -0.1, -0.095), (4.7, 6.0, 6.3, 7.0), 640000000), 0.662129440257813),
    ((12800000, 0.035, 0.0, (-0.12, -0.11, -0.1, -0.095), (4.7, 6.0, 6.3, 7.0), 64000000), 0.7191827535108308),
    ((1000, 0.2, 0.25, (-0.5, -0.005), (1.0, 10.0), 123457), 3.3659288177880913),
]
BUCKET = st.builds(
    Bucket, st.sampled_from("abcdef"), st.integers(1, 10**6), st.floats(-0.5, -0.005), st.floats(0.5, 10)
)


def buckets(samples, utilities, half_lives):
    return [Bucket(str(i), samples, *pair) for i, pair in enumerate(zip(utilities, half_lives, strict=True))]


def by_hand(each, law, seen):
    """The formula as a loop over passes, written apart from the code that it checks."""
    pool = sum(b.samples for b in each)
    error, before, k = 0.0, 0, 0
    while before < seen:
        after = min(before + pool, seen)
        b = sum(x.samples / pool * x.utility * 0.5 ** (k * x.samples / pool / x.half_life) for x in each)
        error = (law.scale * after / law.normaliser) ** b if k == 0 else error * (after / before) ** b
        before, k = after, k + 1
    return error + law.irreducible_error


@pytest.mark.parametrize(("case", "error"), PUBLISHED)
def test_trap_8_the_repositorys_form_gives_the_repositorys_numbers(case, error):
    samples, scale, d, utilities, half_lives, seen = case
    law = Law(scale, d, form="repository")
    assert pool_error(buckets(samples, utilities, half_lives), law, seen) == pytest.approx(error, rel=1e-9)


@given(st.lists(BUCKET, min_size=1, max_size=5), st.integers(1, 10**7))
@settings(deadline=None)
def test_the_papers_form_is_the_product_over_passes_and_d_last(each, seen):
    pool = sum(b.samples for b in each)
    seen = min(seen, 300 * pool)
    assert pool_error(each, LAW, seen) == pytest.approx(by_hand(each, LAW, seen), rel=1e-9)


def test_both_forms_agree_until_a_sample_is_repeated():
    each = buckets(1_000_000, (-0.2, -0.1), (2.0, 4.0))
    forms = [Law(0.022, 0.1, form=form) for form in ("paper", "repository")]
    once, twice = ([pool_error(each, law, seen) for law in forms] for seen in (2_000_000, 4_000_000))
    assert once[0] == once[1]
    assert twice[0] > twice[1]  # d decays in the repository's


def test_equal_buckets_are_one_bucket_of_their_sizes_and_half_lives_together():
    three = buckets(1_000_000, (-0.2,) * 3, (2.0,) * 3)
    one = [Bucket("all", 3_000_000, -0.2, 2.0)]
    for seen in (10**6, 10**7, 10**8):
        assert pool_error(three, LAW, seen) == pytest.approx(
            pool_error([Bucket("all", 3_000_000, -0.2, 6.0)], LAW, seen), rel=1e-12
        )
        assert pool_error(one, LAW, 10**8) > pool_error(three, LAW, 10**8)  # theorem 1: tau of three is three times tau


@given(st.lists(BUCKET, min_size=1, max_size=5, unique_by=lambda b: b.name), st.randoms())
@settings(deadline=None)
def test_the_order_of_the_buckets_does_not_matter(each, random):
    shuffled = random.sample(each, len(each))
    assert compare_pools(shuffled, LAW, 10**6) == compare_pools(each, LAW, 10**6)


def test_a_larger_budget_wants_a_larger_pool():
    each = buckets(12_800_000, (-0.2, -0.17, -0.155), (2.0, 2.5, 2.5))
    sizes = [len(best_pool(each, LAW, seen).buckets) for seen in (10_000_000, 32_000_000, 640_000_000)]
    assert sizes == [1, 2, 3]


def test_utility_that_never_tires_is_the_power_law_of_all_samples_seen():
    assert pool_error([Bucket("a", 100, -0.5, math.inf)], Law(1.0, 0.0, 1.0), 10_000) == pytest.approx(0.01, rel=1e-9)


def test_cutting_the_sum_into_blocks_or_ending_it_early_changes_nothing(monkeypatch):
    each = buckets(10, (-0.2, -0.1), (3.0, 5.0))
    whole = pool_error(each, LAW, 2_000_000)
    monkeypatch.setattr(utility, "BLOCK_EPOCHS", 7)
    assert pool_error(each, LAW, 2_000_000) == pytest.approx(whole, rel=1e-12)
    monkeypatch.setattr(utility, "SPENT_HALF_LIVES", 10**9)
    assert pool_error(each, LAW, 2_000_000) == pytest.approx(whole, rel=1e-12)


def test_equal_errors_go_to_the_smaller_pool_and_equal_utilities_to_the_first_name():
    each = [Bucket("b", 10, -0.2, math.inf), Bucket("a", 10, -0.2, math.inf)]
    assert [b.name for b in sort_buckets(each)] == ["a", "b"]
    assert best_pool(each, LAW, 5).buckets == ("a",)


def test_a_pool_says_its_share_and_how_often_it_is_seen():
    first, both = compare_pools(buckets(100, (-0.2, -0.1), (2.0, 2.0)), LAW, 300)
    assert (first.samples, first.keep_frac, first.epochs) == (100, 0.5, 3.0)
    assert (both.samples, both.keep_frac, both.epochs) == (200, 1.0, 1.5)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Bucket("a", 0, -0.1, 1.0), "samples=0"),
        (lambda: Bucket("a", 1, 0.1, 1.0), "utility=0.1: give a number below 0"),
        (lambda: Bucket("a", 1, math.nan, 1.0), "utility=nan"),
        (lambda: Bucket("a", 1, -0.1, 0.0), "half_life=0.0"),
        (lambda: Law(0.0), "scale=0.0"),
        (lambda: Law(1.0, -0.1), "irreducible_error=-0.1"),
        (lambda: Law(1.0, form="other"), "form='other'"),
        (lambda: pool_error([], LAW, 1), "at least one bucket"),
        (lambda: pool_error([Bucket("a", 1, -0.1, 1.0)], LAW, 0), "samples seen are 0"),
        (lambda: pool_error([Bucket("a", 1, -0.1, 1.0)], LAW, 10**12), "give fewer samples seen"),
        (lambda: best_pool([], LAW, 1), "no bucket"),
    ],
)
def test_what_cannot_be_is_one_sentence(make, message):
    with pytest.raises(PlanError, match=message):
        make()
