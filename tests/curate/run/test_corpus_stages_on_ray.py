"""A corpus stage on Ray: the bytes of a local run, on any number of machines, whatever is killed on the way."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from rich.console import Console

from curate.corpus.rank_fraction import RankFraction
from curate.errors import ContractError
from curate.pipeline import Pipeline
from curate.run.runner import RunRequest, run
from filters.max_rank_frac import MaxRankFrac
from tests.support.shards import write_shard
from tests.support.stages import AtLeast, Brightness, ShareOfPool, TextLength

ROOT = Path(__file__).parents[3]
TEXTS = ["a", "bb", "ccc", "dddd", "eeeee"]

SCRIPT = """
import sys, time
from pathlib import Path
import ray
from ray.cluster_utils import Cluster
from rich.console import Console
from curate.run.runner import run
from tests.curate.run.test_corpus_stages_on_ray import request

folder, raylets = Path(sys.argv[1]), int(sys.argv[2])
cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
for _ in range(raylets - 1):
    cluster.add_node(num_cpus=1)
cluster.wait_for_nodes()
ray.init(address=cluster.address, logging_level="error", log_to_driver=False)
run(request(folder.parent / "in", folder, log=str(folder / "log"), seconds=2.0 * (raylets > 1)), Console(quiet=True))
ray.shutdown()
cluster.shutdown()
"""


def request(inputs, folder, local=False, **stage):
    stages = [TextLength(), RankFraction("text_length"), MaxRankFrac("rank_frac", 0.8), ShareOfPool(**stage)]
    stages += [AtLeast("share_of_pool", 0.01), Brightness()]
    return RunRequest(Pipeline(stages), [str(inputs)], str(folder / "out"), recipe="test", local=local)


@pytest.fixture
def inputs(tmp_path):
    for i in range(7):
        write_shard(tmp_path / "in" / f"{i:05d}.tar", TEXTS)
    return tmp_path / "in"


@pytest.fixture
def expected(inputs, tmp_path):
    """Give the bytes of an undisturbed local run."""
    run(request(inputs, tmp_path / "local", local=True), Console(quiet=True))
    return cells(tmp_path / "local")


def cells(folder):
    paths = [path for path in (folder / "out").rglob("*.parquet") if path.parts[-2] != "runs"]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}


def start(code, *arguments):
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.Popen([sys.executable, "-c", code, *map(str, arguments)], cwd=ROOT, env=environment)


@pytest.mark.ray
@pytest.mark.usefixtures("ray_cluster")
def test_a_killed_task_runs_again_and_a_failing_one_is_one_sentence(inputs, expected, tmp_path):
    kill, crash = tmp_path / "kill", tmp_path / "crash"
    kill.touch()
    crash.touch()
    work = request(inputs, tmp_path / "ray", kill=str(kill), crash=str(crash))

    with pytest.raises(ContractError, match="write_cell of a corpus stage failed: RuntimeError: the stage fell over"):
        run(work, Console(quiet=True))
    assert not kill.exists()
    crash.unlink()
    manifest = run(work, Console(quiet=True))

    assert list(manifest.counts["measured"]) == ["share_of_pool", "brightness"]
    assert cells(tmp_path / "ray") == expected
    assert not (tmp_path / "ray" / "out" / "scratch").exists()


@pytest.mark.ray
@pytest.mark.slow
@pytest.mark.parametrize("raylets", [1, 3])
def test_the_number_of_machines_changes_no_byte(inputs, expected, tmp_path, raylets):
    folder = tmp_path / "many"
    folder.mkdir()

    assert start(SCRIPT, folder, raylets).wait() == 0

    nodes = {line.split()[1] for line in (folder / "log").read_text().splitlines()}
    assert (len(nodes) > 1) == (raylets > 1)
    assert cells(folder) == expected


@pytest.mark.ray
@pytest.mark.slow
def test_a_driver_that_is_killed_while_the_pool_is_measured_goes_on_to_the_same_bytes(inputs, expected, tmp_path):
    folder, log = tmp_path / "killed", tmp_path / "log"
    code = (
        "import sys; from pathlib import Path; from curate.run.runner import run\n"
        "from tests.curate.run.test_corpus_stages_on_ray import request\n"
        "run(request(Path(sys.argv[1]), Path(sys.argv[2]), log=sys.argv[3], seconds=float(sys.argv[4])))"
    )
    driver = start(code, inputs, folder, log, 1.0)
    while not (log.exists() and len(log.read_text().splitlines()) >= 2):
        assert driver.poll() is None
        time.sleep(0.05)
    driver.send_signal(signal.SIGKILL)
    driver.wait()
    assert not [path for path in cells(folder) if "share_of_pool" in path]

    assert start(code, inputs, folder, log, 0.0).wait() == 0
    assert cells(folder) == expected
