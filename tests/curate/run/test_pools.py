"""Shards flow through pools of workers: with any number of them the bytes are the same, and each is measured once."""

import json
import os
from dataclasses import dataclass

import pyarrow as pa
import pytest
import ray
from rich.console import Console

from curate.dataset.manifest import latest
from curate.engines.engine import Engine
from curate.engines.fake import FakeEngine
from curate.errors import BreakerError, CurateError
from curate.pipeline import Pipeline
from curate.run.cluster import read_nodes
from curate.run.pilot import PILOT_SAMPLES
from curate.run.placement import Placement
from curate.run.pools import Pool, Pools, last_line
from curate.run.ray_worker import ShardOutcome
from curate.run.runner import RunRequest, run
from curate.sources.shard import Shard
from curate.stages import Measurement, Resources
from curate.storage.store import Store
from tests.support.shards import write_shard
from tests.support.stages import AtLeast, Brightness, TextLength, number

pytestmark = [pytest.mark.ray, pytest.mark.usefixtures("ray_cluster")]

LIGHT = Resources(cpus=0.25, batch_rows=3)


class Other(Brightness):
    adds = pa.schema([number("other")])

    def load(self):
        return lambda batch: Measurement({"other": [float(image.max()) for image in batch.images]})


@dataclass(frozen=True)
class Writer(TextLength):
    adds_name: str = "written"
    engine: Engine = FakeEngine(str, "fake")  # noqa: RUF009


@pytest.fixture
def inputs(tmp_path):
    for i in range(6):
        write_shard(tmp_path / "in" / f"{i:05d}.tar", ["a", "bb", "ccc", "dddd", "eeeee"])
    return str(tmp_path / "in")


def measured(inputs, dataset, workers):
    stages = [
        Brightness(resources=Resources(cpus=0.25, batch_rows=3, workers=workers)),
        TextLength(resources=LIGHT),
        AtLeast("text_length", 2),
        Writer(resources=LIGHT),
        Other(resources=LIGHT),
    ]
    manifest = run(RunRequest(Pipeline(stages), [inputs], str(dataset), "test"), Console(quiet=True))
    paths = [path for kind in ("columns", "errors") for path in (dataset / kind).rglob("*.parquet")]
    return manifest, {path.relative_to(dataset): path.read_bytes() for path in paths}


def test_any_number_of_workers_writes_the_same_bytes_and_the_manifest_says_how_they_were_placed(tmp_path, inputs):
    manifest, one = measured(inputs, tmp_path / "one", 1)
    _, three = measured(inputs, tmp_path / "three", 3)

    assert one == three
    segments = manifest.counts["placement"]["segments"]
    assert [(each["kind"], each["rows"]) for each in segments] == [("cpu", 30), ("engine", 24), ("cpu", 24)]
    assert [each["yield"] for each in segments] == [1.0, 0.8, 0.8]
    assert all(each["workers"] >= 1 for each in segments)
    assert json.loads((tmp_path / "one" / "runs" / f"{manifest.id}.json").read_text())["counts"]["placement"]["machine"]


@pytest.mark.parametrize(
    ("shards", "options", "stopped"), [("ab", {}, True), ("ab", {"allow_empty": True}, False), ("a", {}, False)]
)
def test_a_run_of_which_the_first_samples_are_all_dropped_stops_unless_they_are_all(tmp_path, shards, options, stopped):
    write_shard(tmp_path / "in" / "a.tar", ["a"] * PILOT_SAMPLES)
    write_shard(tmp_path / "in" / "b.tar", ["bb"] * 8 * PILOT_SAMPLES)  # not through before the first
    stages = [
        Brightness(resources=LIGHT),
        TextLength(resources=LIGHT),
        AtLeast("text_length", 2),
        Writer(resources=LIGHT),
    ]
    given = [str(tmp_path / "in" / f"{name}.tar") for name in shards]
    request = RunRequest(Pipeline(stages), given, str(tmp_path / "out"), "test", **options)
    if not stopped:
        assert run(request, Console(quiet=True)).status == "finished"
        return
    with pytest.raises(BreakerError, match=r"none of the first 500 samples .* writer: dropped most often by AtLeast"):
        run(request, Console(quiet=True))
    assert latest(Store(str(tmp_path / "out"))).status.startswith("stopped: BreakerError: none of the first")


class Stub:
    """Stands for a worker; says "here" by its devices and dies, or fails to start, where a shard's name says so."""

    def __init__(self, folder, broken=False):
        self.folder = folder
        if broken:
            raise RuntimeError("no such weights")

    def prepare(self):
        return ShardOutcome()

    def measure(self, shard):
        seen = self.folder / shard.name
        if shard.name.startswith("deadly") and not seen.exists():
            seen.touch()
            os._exit(1)
        return ShardOutcome(rows=(1,), given_up=shard.name == "lost")


def pools(tmp_path, sizes, *, broken=False):
    """Return two pools whose sizes are what `sizes` says of them."""

    def start(pool, node, needs):
        return ray.remote(Stub).options(num_cpus=0).remote(tmp_path, broken)

    def sizing(pools, cluster):
        rest = [0] * (len(cluster.nodes) - 1)
        return Placement(tuple((n, *rest) for n in sizes(pools)), (0.0, 0.0))

    made = [Pool((0,), Resources(cpus=0.0)), Pool((1,), Resources(cpus=0.0))]
    return Pools(made, start, read_nodes, sizing)


def shard(name):
    return Shard(name, "tar", f"/{name}.tar", 1)


def test_a_worker_that_dies_is_replaced_and_its_shards_are_measured_again(tmp_path):
    names = ["calm", "deadly-1", "lost", "deadly-2", "calm-2"]
    left = list(pools(tmp_path, lambda pools: (2, 1)).run([shard(name) for name in names]))

    assert sorted(each.shard.name for each in left if each.pool == 0) == sorted(names)
    assert sorted(each.shard.name for each in left if each.pool == 1) == sorted(set(names) - {"lost"})
    assert [each.shard.name for each in left if each.given_up] == ["lost"]


def test_a_pool_may_have_no_worker_until_the_one_before_is_through(tmp_path):
    def in_turns(pools):
        return (2, 0) if pools[0].done < 4 else (0, 2)

    left = list(pools(tmp_path, in_turns).run([shard(f"s{i}") for i in range(4)]))
    assert [each.pool for each in left] == [0] * 4 + [1] * 4


def test_workers_that_cannot_start_stop_the_run_with_their_reason(tmp_path):
    with pytest.raises(CurateError, match=r"a worker failed as it started: .*no such weights"):
        list(pools(tmp_path, lambda pools: (1, 0), broken=True).run([shard("calm")]))


def test_a_failure_is_told_by_what_was_raised_not_by_rays_advice():
    @ray.remote(max_retries=0)
    def fail():
        raise KeyError("no such segment")

    with pytest.raises(ray.exceptions.RayTaskError) as raised:
        ray.get(fail.remote())
    assert last_line(raised.value) == "KeyError: 'no such segment'"
