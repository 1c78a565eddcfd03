"""The placement benchmark measures against a bound that nothing can beat, and its short form runs."""

import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.placement_jobs import JOBS
from benchmarks.placement_rivals import true_sizes
from benchmarks.placement_stages import Keep, Sleeps, Writes

ROOT = Path(__file__).parents[2]


WITH_GPUS = [job for job in JOBS if job.cluster.gpus]  # without, neighbours are one pool


def names(jobs):
    return [job.name for job in jobs]


@pytest.mark.parametrize("job", WITH_GPUS, ids=names(WITH_GPUS))
def test_whole_workers_come_near_the_bound_and_do_not_pass_it(job):
    share, slowest = 1.0, 0.0
    for segment, workers in zip(job.pipeline.segments(), true_sizes(job), strict=True):
        work = 0.0
        for stage in segment.stages:
            if isinstance(stage, Keep):
                share *= (stage.share + stage.late) / 2
            elif isinstance(stage, Sleeps | Writes):
                work += share * stage.seconds
        slowest = max(slowest, work / workers)
    assert 0.6 * job.bound() <= 1 / slowest <= job.bound() * 1.001


@pytest.mark.slow
@pytest.mark.ray
def test_the_short_form_prints_a_line():
    command = [sys.executable, "-m", "benchmarks.placement", "--minutes", "0.1", "--job", "two models"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=500, check=True)
    line = done.stdout.splitlines()[-1]
    assert line.startswith("two models, 2 CPUs")
    assert "cpu 2, gpu 2" in line
