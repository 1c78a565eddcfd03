"""Rates are seconds of a worker for a row, of the last minute; loading is not counted."""

import time

import pytest

from curate.run.pace import Pace, PaceMeter, Rate, Rates


def test_until_the_first_rows_are_through_nothing_is_counted():
    seen = []
    meter = PaceMeter(seen.append)
    with meter.shard():
        time.sleep(0.05)  # a model loads
        meter.count(8)
        assert seen == []
        meter.count(8)
    assert sum(pace.rows for pace in seen) == 8
    assert sum(pace.seconds for pace in seen) < 0.05


def test_shards_that_are_in_work_together_count_their_time_once():
    seen = []
    meter = PaceMeter(seen.append)
    with meter.shard():
        meter.count(1)
        with meter.shard():
            time.sleep(0.02)
        time.sleep(0.02)
    time.sleep(0.02)  # idle
    with meter.shard():
        meter.count(1)
    assert 0.04 <= sum(pace.seconds for pace in seen) < 0.06 + 0.02


def test_the_last_minute_counts_where_it_is_enough():
    rates = Rates(("cpu",))
    rates.observe(0.0, {})
    rates.observe(50.0, {0: Pace(1_000, 100.0)})
    assert rates.measured(0).seconds_per_row == pytest.approx(0.1)
    rates.observe(111.0, {0: Pace(2_000, 150.0)})
    assert rates.measured(0).seconds_per_row == pytest.approx(0.05)


def test_what_is_not_measured_is_what_an_earlier_run_measured_or_a_guess():
    rates = Rates(("cpu", "engine"), {0: Rate(0.5, 10.0)})
    assert rates.seconds_per_shard(0) == pytest.approx(5.0)
    assert rates.known(0)
    assert not rates.known(1)
    rates.finished(0.0, 0, 40)
    assert rates.rows_per_shard(1) == 40  # all that came to the segment before


def test_a_yield_that_changes_shows_in_the_rows_of_a_shard():
    rates = Rates(("cpu", "cpu"))
    for now, rows in [(0.0, 80), (10.0, 80), (100.0, 40), (110.0, 40)]:
        rates.finished(now, 1, rows)
    assert rates.measured(1).rows_per_shard == 40
