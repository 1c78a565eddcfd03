"""The whole run on a real local Ray cluster."""

import json

import pytest
from rich.console import Console

from curate.dataset.manifest import latest
from curate.errors import CurateError, PlanError
from curate.inspect.funnel import funnel
from curate.inspect.query import query
from curate.pipeline import Pipeline
from curate.run.runner import RunRequest, prepare, run
from curate.stages import Measurement
from curate.storage.store import Store
from tests.support.shards import write_shard
from tests.support.stages import AtLeast, Brightness, TextLength

pytestmark = [pytest.mark.ray, pytest.mark.usefixtures("ray_cluster")]


@pytest.fixture
def inputs(tmp_path):
    for i in range(4):
        write_shard(tmp_path / "in" / f"{i:05d}.tar", ["a", "bb", "ccc", "dddd", "eeeee"])
    return [str(tmp_path / "in" / "{00000..00003}.tar")]


def quiet():
    return Console(quiet=True)


def order(tmp_path, inputs, *stages, **options):
    return RunRequest(Pipeline(stages), inputs, str(tmp_path / "out"), recipe="test", **options)


def test_a_run_measures_every_shard_and_a_second_one_nothing(tmp_path, inputs):
    log = tmp_path / "log"
    work = order(tmp_path, inputs, TextLength(str(log)), AtLeast("text_length", 3), Brightness(), parameters={"x": 1})

    first = run(work, quiet())
    second = run(work, quiet())

    steps = dict(funnel(Store(work.dataset), second))
    assert (steps["samples in"], steps["kept"]) == (20, 12)
    assert first.counts["measured"]["text_length"]["rows"] == 20
    assert first.counts["measured"]["brightness"]["rows"] == 12
    assert second.counts["shards_worked"] == 0
    assert second.id == first.id == latest(Store(work.dataset)).id
    assert len(log.read_text().splitlines()) == 20


def test_a_raised_threshold_starts_no_worker(tmp_path, inputs):
    run(order(tmp_path, inputs, TextLength(), AtLeast("text_length", 2)), quiet())
    second = run(order(tmp_path, inputs, TextLength(), AtLeast("text_length", 5)), quiet())

    assert second.id.startswith("000002-test-")
    assert second.counts == {"shards": 4, "shards_worked": 4, "measured": {}}
    kept = query(Store(str(tmp_path / "out")), "SELECT count(*) AS n FROM samples WHERE dropped_by IS NULL")
    assert kept["n"].to_pylist() == [4]


def test_a_broken_stage_stops_the_run_with_its_own_sentence(tmp_path, inputs):
    with pytest.raises(CurateError, match="lying returned columns it does not declare"):
        run(order(tmp_path, inputs, Lying()), quiet())

    manifest = latest(Store(str(tmp_path / "out")))
    assert manifest.status.startswith("stopped: ContractError")


def test_a_limit_takes_the_first_samples_of_the_run(tmp_path, inputs):
    plan = prepare(order(tmp_path, inputs, TextLength(), limit=7))

    assert [each.shard.limit for each in plan.shards] == [None, 2]
    run(order(tmp_path, inputs, TextLength(), limit=7), quiet())
    count = query(Store(str(tmp_path / "out")), "SELECT count(*) AS n FROM samples")
    assert count["n"].to_pylist() == [7]


def test_nothing_starts_when_something_is_wrong(tmp_path, inputs):
    with pytest.raises(PlanError):
        run(order(tmp_path, [str(tmp_path / "nowhere" / "*.tar")], TextLength()), quiet())
    with pytest.raises(PlanError):
        run(order(tmp_path, inputs, AtLeast("text_length", 1)), quiet())

    assert not (tmp_path / "out" / "runs").exists()


def test_the_manifest_is_json_that_names_every_stage(tmp_path, inputs):
    manifest = run(order(tmp_path, inputs, TextLength()), quiet())

    text = json.loads((tmp_path / "out" / "runs" / f"{manifest.id}.json").read_text())
    assert [stage["name"] for stage in text["stages"]] == ["text_length"]
    assert text["status"] == "finished"
    assert text["versions"]["pyarrow"]


class Lying(TextLength):
    def load(self):
        return lambda batch: Measurement({"text_length": [0.0] * len(batch), "surprise": [0] * len(batch)})
