import math

import pytest

from curate.errors import PlanError
from curate.selection.fit import Measured, Run, fit_buckets
from curate.selection.utility import Bucket, Law, pool_error

TRUTH = [Bucket("a", 12_800_000, -0.2, 3.0), Bucket("b", 12_800_000, -0.16, 4.0)]
SEEN = [6_400_000, 12_800_000, 25_600_000, 51_200_000, 128_000_000]


def measured(law, buckets=TRUTH, seen=SEEN, noise=0.0):
    runs = {
        b.name: tuple(Run(n, pool_error([b], law, n) + noise * (-1) ** i) for i, n in enumerate(seen)) for b in buckets
    }
    return [Measured(b.name, b.samples, runs[b.name]) for b in buckets]


@pytest.mark.parametrize("form", ["paper", "repository"])
def test_runs_without_noise_give_back_their_buckets_and_their_scale(form):
    law = Law(0.022, 0.1, form=form)
    fit = fit_buckets(measured(law), Law(1.0, 0.1, form=form))
    assert fit.law.scale == pytest.approx(0.022, rel=1e-6)
    for found, true in zip(fit.buckets, TRUTH, strict=True):
        assert found.utility == pytest.approx(true.utility, rel=1e-6)
        assert found.half_life == pytest.approx(true.half_life, rel=1e-6)
    assert max(fit.rms_errors) < 1e-9


def test_the_irreducible_error_is_fitted_on_demand():
    fit = fit_buckets(measured(Law(0.022, 0.25)), Law(0.022), scale=False, irreducible=True)
    assert fit.law.irreducible_error == pytest.approx(0.25, abs=1e-6)
    assert fit.law.scale == pytest.approx(0.022)  # given, so it stays


def test_equal_runs_give_equal_buckets_and_rms_says_how_far_the_law_is():
    noisy = measured(Law(0.022), noise=0.01)
    one, two = (fit_buckets(noisy, Law(0.022), scale=False) for _ in range(2))
    assert one == two
    assert all(0.002 < rms < 0.02 for rms in one.rms_errors)


def test_a_given_half_life_stays_and_takes_fewer_runs():
    bucket = Measured("a", 1_000, (Run(500, 0.5), Run(1_000, 0.4)), half_life=2.5)
    (found,) = fit_buckets([bucket], Law(1.0, 0.0)).buckets
    assert found.half_life == pytest.approx(2.5)
    assert found.utility < 0


def runs(*pairs):
    return tuple(Run(*pair) for pair in pairs)


@pytest.mark.parametrize(
    ("buckets", "message"),
    [
        ([], "no bucket to fit"),
        ([Measured("a", 10, runs((5, 0.5)), 2.0)], "has runs of 1 lengths; its utility needs 2"),
        ([Measured("a", 10, runs((5, 0.5), (5, 0.4)), 2.0)], "has runs of 1 lengths"),
        ([Measured("a", 10, runs((5, 0.5), (9, 0.4), (10, 0.3)))], "one of more than its 10 samples; train longer"),
        ([Measured("a", 10, runs((5, 0.5), (20, 0.1)), 2.0)], "is not above irreducible_error=0.1"),
        ([Measured("a", 10, runs((5, math.nan), (20, 0.5)), 2.0)], "an error that is not above 0"),
        ([Measured("a", 10, runs((0, 0.5), (20, 0.5)), 2.0)], "samples seen below 1"),
    ],
)
def test_runs_that_cannot_tell_are_one_sentence(buckets, message):
    with pytest.raises(PlanError, match=message) as error:
        fit_buckets(buckets, Law(1.0, 0.1))
    assert "\n" not in str(error.value)
