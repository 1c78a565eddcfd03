"""A pilot, and what is foreseen from it."""

import io
from dataclasses import replace

import numpy as np
import pytest
from rich.console import Console

from curate.errors import PlanError
from curate.inspect.forecast.estimate import forecast
from curate.inspect.forecast.knobs import knobs
from curate.inspect.forecast.pilot import read_pilot
from curate.inspect.forecast.record import foreseen, note_forecast
from curate.inspect.forecast.table import Prices, forecast_report, read_machines
from curate.inspect.query import query
from curate.run.cluster import Cluster, Node
from curate.run.runner import prepare, run
from curate.run.spec import RunRequest
from curate.storage.store import Store
from tests.support.dataset_folder import pipeline, write_source

SHARDS, ROWS = 12, 6
LAPTOP = Cluster((Node(2),))


@pytest.fixture
def order(tmp_path) -> RunRequest:
    for shard in range(SHARDS):
        write_source(tmp_path / "source" / f"{shard:05}.tar", shard, ROWS)
    return RunRequest(pipeline(captions=False), [str(tmp_path / "source")], str(tmp_path / "out"), local=True, pilot=24)


@pytest.fixture
def piloted(order):
    """Run a pilot; return its store, what it told, and the plan of the whole."""
    plan, store = prepare(replace(order, pilot=None)), Store(order.dataset)
    return store, read_pilot(store, run(order, Console(quiet=True)), plan), plan


def test_a_pilot_takes_equally_many_first_samples_of_shards_spread_over_the_source(order, piloted):
    store, pilot, _ = piloted
    rows = query(
        store, 'SELECT shard, count(*) AS n, max("row") AS last FROM samples GROUP BY 1 ORDER BY 1'
    ).to_pylist()
    assert [(row["n"], row["last"]) for row in rows] == [(3, 2)] * 8
    assert [int(shard.url[-9:-4]) for shard in pilot.manifest.shards(store)] == [0, 2, 3, 5, 6, 8, 9, 11]
    assert pilot.samples == 24


def test_its_cells_count_towards_the_run(order, piloted):
    store, _, _ = piloted
    whole = run(replace(order, pilot=None), Console(quiet=True))
    facts = whole.counts["measured"]["image_facts"]["rows"]
    assert facts == SHARDS * (ROWS - 1) - 8 * 2  # the first row of a shard has no image
    assert query(store, "SELECT count(*) AS n FROM samples").to_pylist() == [{"n": SHARDS * ROWS}]


def test_the_same_run_without_a_pilot_gives_the_same_values(order, piloted, tmp_path):
    store, _, _ = piloted
    run(replace(order, pilot=None), Console(quiet=True))
    run(replace(order, pilot=None, dataset=str(tmp_path / "straight")), Console(quiet=True))
    sql = "SELECT * FROM samples ORDER BY uid"
    assert query(store, sql) == query(Store(str(tmp_path / "straight")), sql)


def test_shares_are_those_that_came_to_a_stage(piloted):
    """Rows 0, 1 and 2 of a shard: no image, a broken one, and one whose score is too low."""
    _, pilot, _ = piloted
    names = [step.label for step in pilot.steps]
    assert pilot.share(names.index("image_facts")) == 1.0
    assert pilot.share(names.index("fake_clip")) == pytest.approx(1 / 3)
    assert pilot.share(len(pilot.steps)) == 0.0


def test_a_pilot_that_keeps_nothing_is_one_sentence(piloted):
    _, pilot, plan = piloted
    with pytest.raises(PlanError, match="keeps none of its 24 samples"):
        forecast(pilot, plan, LAPTOP)


@pytest.fixture
def made(order):
    """Return a store, the pilot and the forecast where the pilot holds half of each shard that it looks at."""
    order = replace(order, pilot=40)
    plan, store = prepare(replace(order, pilot=None)), Store(order.dataset)
    pilot = read_pilot(store, run(order, Console(quiet=True)), plan)
    return store, pilot, plan


def test_time_is_work_over_workers_and_grows_with_the_source(made):
    _, pilot, plan = made
    fixed = replace(pilot, rates=tuple(2.0 for _ in pilot.rates), workers=tuple(1 for _ in pilot.rates))
    one = forecast(fixed, plan, LAPTOP)
    left = SHARDS * ROWS - pilot.samples
    assert (one.samples, one.left, one.exact) == (SHARDS * ROWS, left, True)
    work = sum(2.0 * left * fixed.share(s.first) for s in fixed.segments)
    assert one.seconds - one.start_seconds == pytest.approx(work / 2, rel=0.35)  # two processors
    many = forecast(fixed, plan, Cluster((Node(64),)))
    assert many.seconds < one.seconds
    assert one.low <= one.seconds <= one.high


def test_a_row_costs_what_was_measured(made):
    _, pilot, plan = made
    slow = replace(pilot, rates=tuple(10 * rate for rate in pilot.rates))
    fast, slowed = (forecast(each, plan, LAPTOP) for each in (replace(pilot), slow))
    assert slowed.bottleneck.seconds == pytest.approx(10 * fast.bottleneck.seconds)


def test_a_bound_that_is_moved_keeps_another_share(made):
    store, pilot, plan = made
    told = knobs(store, pilot, forecast(pilot, plan, LAPTOP))
    higher = [knob for knob in told if knob.change.startswith("MinClipScore") and "0.33" in knob.change]
    kept = pilot.share(len(pilot.steps))
    assert [knob.kept for knob in higher] == [pytest.approx(kept - kept / 2, abs=0.1)]


def test_what_was_foreseen_is_told_beside_what_it_took(made, order):
    store, pilot, plan = made
    note_forecast(store, pilot.manifest, plan.spec.verdict_id, {"seconds": 100.0, "low": 90.0, "high": 120.0})
    assert foreseen(store, pilot.manifest) == ""
    whole = run(replace(order, pilot=None), Console(quiet=True))
    whole.counts["costs"]["seconds"] = 110.0
    assert foreseen(store, whole).endswith("100 s (90 to 120); it took 110 s (+10%)")


def test_a_pilot_of_what_is_measured_already_is_one_sentence(order):
    store, whole = Store(order.dataset), replace(order, pilot=None)
    run(whole, Console(quiet=True))
    plan = prepare(whole)
    with pytest.raises(PlanError, match="measured by earlier runs"):
        read_pilot(store, run(order, Console(quiet=True)), plan)


def test_a_pilot_that_is_asked_for_again_tells_the_same(order, piloted):
    store, pilot, plan = piloted
    again = read_pilot(store, run(order, Console(quiet=True)), plan)
    assert again.rates == pilot.rates
    assert np.array_equal(again.reach, pilot.reach)


@pytest.mark.parametrize("text", ["", "4x", "0", "64+", "many"])
def test_machines_that_cannot_be_read_are_named(text):
    with pytest.raises(PlanError, match="names no machines"):
        read_machines(text)


def test_the_report_tells_money_and_the_bottleneck(made):
    _, pilot, plan = made
    told = forecast(replace(pilot, rates=tuple(3600.0 for _ in pilot.rates)), plan, read_machines("2x16+1"))
    console = Console(width=200, record=True, file=io.StringIO())
    console.print(forecast_report(told, [], pilot.samples, Prices(0.05, 2.0)))
    text = console.export_text()
    assert "on 2 machines with 32 CPUs and 2 GPUs" in text
    assert "the bottleneck is" in text
    hours = told.seconds / 3600
    assert f"money: {hours * (32 * 0.05 + 2 * 2.0):,.2f}" in text


@pytest.mark.parametrize("samples", [0, -1])
def test_a_pilot_of_nothing_is_one_sentence(order, samples):
    with pytest.raises(PlanError, match="measures nothing"):
        run(replace(order, pilot=samples), Console(quiet=True))
