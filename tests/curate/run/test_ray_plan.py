"""Several machines: a head and two more raylets, of which one joins and one dies while a run is on."""

import os
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from curate.stages import Resources
from tests.support.shards import write_shard
from tests.support.stages import TextLength

ROOT = Path(__file__).parents[3]
TEXTS = ["a", "bb", "ccc", "dddd", "eeeee", "ffffff"]

IMPATIENT = {"RAY_health_check_period_ms": "500", "RAY_health_check_initial_delay_ms": "2000"}
"""Ray takes half a minute to believe that a machine is gone; a test has not that long."""

SCRIPT = """
import sys, time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
import ray
from ray.cluster_utils import Cluster
from rich.console import Console
from curate.pipeline import Pipeline
from curate.run.runner import RunRequest, run
from tests.curate.run.test_ray_plan import Slow

folder, several, dies = Path(sys.argv[1]), sys.argv[2] != "one", sys.argv[2] == "several"
head = {"num_cpus": 1, "resources": {} if several else {"accelerator": 1}}
cluster = Cluster(initialize_head=True, head_node_args=head)
ray.init(address=cluster.address, logging_level="error", log_to_driver=False)  # the driver lives beside the head
if several:
    dying = cluster.add_node(num_cpus=1, resources={"accelerator": 1})
    cluster.wait_for_nodes()

stage = Slow(log=str(folder / "log"), seconds=0.5 * several)
if several and not dies:
    stage = replace(stage, resources=replace(stage.resources, workers=None))  # as many as fit
request = RunRequest(Pipeline([stage]), [str(folder.parent / "in" / "*.tar")], str(folder / "out"), recipe="test")
with ThreadPoolExecutor(1) as thread:  # the main thread's signals are for Ray's nodes
    running = thread.submit(run, request, Console(quiet=True))
    if several:
        while not (folder / "log").exists() and not running.done():
            time.sleep(0.05)
        cluster.add_node(num_cpus=1, resources={"accelerator": 1})
        assert not running.done(), "the run was over before a node joined"
        if dies:
            cluster.remove_node(dying, allow_graceful=False)
    running.result()
nodes = {line.split()[1] for line in (folder / "log").read_text().splitlines()}
print("nodes", len(nodes))
ray.shutdown()
cluster.shutdown()
"""


@dataclass(frozen=True)
class Slow(TextLength):
    """Takes `seconds` for a batch, wants an accelerator, and notes on which node each batch was measured."""

    seconds: float = field(default=0.0, repr=False, compare=False)
    resources: Resources = field(
        default=Resources(batch_rows=3, workers=1, custom=(("accelerator", 1.0),)), repr=False, compare=False
    )

    def load(self):
        import ray

        measure = TextLength().load()
        node = ray.get_runtime_context().get_node_id()

        def scorer(batch):
            time.sleep(self.seconds)
            with Path(self.log).open("a") as stream:
                stream.write(f"batch {node}\n")
            return measure(batch)

        return scorer


def measure(folder, how):
    folder.mkdir()
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "RAY_BACKEND_LOG_LEVEL": "fatal", **IMPATIENT}
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(folder), how],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env=environment,
        timeout=200,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    out = folder / "out"
    paths = [path for kind in ("columns", "errors") for path in (out / kind).rglob("*.parquet")]
    return {path.relative_to(out): path.read_bytes() for path in paths}, next(
        line for line in done.stdout.splitlines() if line.startswith("nodes ")
    )


@pytest.mark.ray
@pytest.mark.slow
def test_a_node_joins_and_one_dies_and_the_bytes_are_those_of_one_machine(tmp_path):
    for i in range(10):
        write_shard(tmp_path / "in" / f"{i:05d}.tar", TEXTS)

    alone, one = measure(tmp_path / "one", "one")
    together, two = measure(tmp_path / "several", "several")
    growing, grown = measure(tmp_path / "growing", "growing")

    assert (one, two, grown) == ("nodes 1", "nodes 2", "nodes 2")
    assert len(alone) == 30
    assert together == growing == alone
