"""Laws of `curate status --by`: every sample is in one group, and what was taken is said."""

import pytest

from curate.dataset.manifest import latest
from curate.errors import PlanError
from curate.inspect.keep_rates import KeepRate, keep_rates
from curate.inspect.query import query


def test_groups_hold_every_sample_once_and_what_took_them_adds_up(folder):
    total = query(folder.store, "SELECT count(*) AS n FROM samples")["n"][0].as_py()
    for by in ("domain", "shard", "image_format"):
        rates = keep_rates(folder.store, latest(folder.store), by)
        assert sum(rate.samples for rate in rates) == total
        assert all(rate.kept + sum(rate.taken.values()) == rate.samples for rate in rates)
        assert [rate.samples for rate in rates] == sorted((rate.samples for rate in rates), reverse=True)


def test_a_run_without_languages_says_what_to_do(folder):
    with pytest.raises(PlanError, match="put TextFacts into its recipe"):
        keep_rates(folder.store, latest(folder.store), "language")


@pytest.mark.parametrize("by", ['x" OR 1=1 --', "no_such_column"])
def test_a_column_that_is_not_there_is_one_sentence(folder, by):
    with pytest.raises(PlanError, match="the query does not work"):
        keep_rates(folder.store, latest(folder.store), by)


@pytest.mark.parametrize(
    ("kept", "samples", "rate", "differs"),
    [(1, 2, 0.9, False), (100, 200, 0.9, True), (0, 3, 0.5, False), (0, 30, 0.5, True), (5, 5, 1.0, False)],
)
def test_few_samples_are_chance_and_many_are_not(kept, samples, rate, differs):
    assert KeepRate("de", samples, kept, {}).differs(rate) is differs
