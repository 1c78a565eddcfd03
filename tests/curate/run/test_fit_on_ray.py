"""What a real Ray says it has, claimed or not, is what a run is fitted to."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import ray
from rich.console import Console

from curate.errors import PlanError
from curate.pipeline import Pipeline
from curate.run.cluster import Cluster, Node, free_now, read_cluster
from curate.run.runner import RunRequest, run
from curate.stages import Resources
from curate.storage.store import Store
from tests.support.shards import write_shard
from tests.support.stages import TextLength

pytestmark = pytest.mark.ray
ROOT = Path(__file__).parents[3]

CLAIMED = """
import ray
from curate.engines.vllm_engine import Vllm
from curate.experts.clip import Clip
from curate.experts.dense_caption import DenseCaption
from curate.models.weights import Weights
from curate.pipeline import Pipeline
from curate.run.cluster import read_cluster
from curate.run.shares import needs_on

ray.init(address="local", num_cpus=4, num_gpus=1, include_dashboard=False, logging_level="error", log_to_driver=False)
have = read_cluster()
segments = Pipeline([Clip(weights=Weights("tag")), DenseCaption(Vllm(Weights("org/model")))]).segments()
print(have.cpus, have.gpus, have.autoscales, [needs.gpus for needs in needs_on(segments, have)])
ray.shutdown()
"""


def order(tmp_path, **needs):
    write_shard(tmp_path / "in" / "00000.tar", ["a", "bb"])
    stage = TextLength(resources=Resources(**needs))
    return RunRequest(Pipeline([stage]), [str(tmp_path / "in")], str(tmp_path / "out"), recipe="test")


@pytest.mark.usefixtures("ray_cluster")
def test_a_run_that_asks_for_a_gpu_stops_at_once_where_there_is_none(tmp_path):
    with pytest.raises(
        PlanError, match=r"text_length: a worker asks for 1 GPU .* pass -p text_length.resources.gpus=0"
    ):
        run(order(tmp_path, gpus=1.0), Console(quiet=True))
    assert not (tmp_path / "out" / "columns").exists()


@pytest.mark.usefixtures("ray_cluster")
def test_auto_runs_where_there_is_no_gpu(tmp_path):
    manifest = run(order(tmp_path, gpus="auto"), Console(quiet=True))
    assert manifest.status == "finished"
    assert Store(str(tmp_path / "out")).list("columns")


@pytest.mark.usefixtures("ray_cluster")
def test_what_ray_has_is_read_as_values():
    have = read_cluster()
    assert have == Cluster(have.nodes)
    assert have.cpus == ray.cluster_resources()["CPU"]
    assert isinstance(have.nodes[0], Node)
    assert have.nodes[0].memory_bytes > 0
    assert free_now().endswith("CPUs free")


def test_a_gpu_that_ray_claims_is_shared():
    done = subprocess.run(
        [sys.executable, "-c", CLAIMED],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        timeout=200,
        check=False,
    )
    assert done.stdout.splitlines()[-1:] == ["4.0 1.0 False [0.25, 0.75]"], done.stderr[-2000:]
