"""Placement on simulated nodes: samples/s that a run achieves, over the bound of its linear program.

    python -m benchmarks.placement [--minutes 2] [--job PART_OF_A_NAME] [--by ours raydata sized xenna]

A local Ray claims nodes that are not there, and stages sleep for what real ones cost. All contestants call the same
workers on the same shards of tiny images: `ours` is `curate run`; `raydata` chains Ray Data pools that start at one
worker and scale by themselves; `sized` gives them fixed sizes, worked out from the true costs, which nobody has;
`xenna` is cosmos-xenna, where it is installed. "Steady" is the speed between the first and the last quarter of the
shards, "whole" that of the whole command past the start of Ray. The bound counts fractions of workers; "reach" is the
share of it that the best whole workers have, by the true costs. Every contestant runs in a process of its own.
"""

import argparse
import io
import json
import os
import shutil
import subprocess
import sys
import tarfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.data import BENCH
from benchmarks.placement_jobs import JOBS, Job
from curate.pixels import encode_jpeg
from curate.run.cluster import Cluster

__all__ = ["Speed", "main", "measure"]

OUT = BENCH / "placement"
CONTESTANTS = ("ours", "raydata", "sized", "xenna")
QUIET = {
    "RAY_prestart_worker_first_driver": "0",  # two cores need not start a process for each that is claimed
    "RAY_worker_niceness": "0",  # Ray's workers are nice to whatever else runs; here they are what is measured
}
LIMIT = 3  # times the bound's seconds, after which a contestant is stopped


@dataclass(frozen=True, slots=True)
class Speed:
    """Samples/s over the bound; `seconds` is the wall time of the whole run, `load` the machine's load at its end."""

    steady: float
    whole: float
    seconds: float
    load: float


def main(arguments: list[str] | None = None) -> None:
    """Print a line per job and contestant."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--minutes", type=float, default=2.0, help="length of a job at its bound")
    parser.add_argument("--job", default="", help="part of the name of a job")
    parser.add_argument("--by", nargs="+", default=["ours"], choices=CONTESTANTS)
    parser.add_argument("--here", action="store_true", help="run one job by one contestant in this process")
    options = parser.parse_args(arguments)
    jobs = [job for job in JOBS if options.job in job.name]
    if options.here:
        print(json.dumps(_here(jobs[0], options.by[0], options.minutes)))
        return
    print(f"{'job':36} {'bound/s':>8} {'reach':>6} {'by':>8} {'steady':>7} {'whole':>7} {'s':>6} {'load':>5}  workers")
    for job in jobs:
        about = f"{job.name:36} {job.bound():8.1f} {job.reachable() / job.bound():6.2f}"
        for by in options.by:
            print(f"{about} {by:>8} {_apart(job, by, options.minutes)}", flush=True)


def _apart(job: Job, by: str, minutes: float) -> str:
    command = [sys.executable, "-m", "benchmarks.placement", "--here", "--job", job.name, "--by", by]
    try:
        done = subprocess.run(
            [*command, "--minutes", str(minutes)],
            capture_output=True,
            text=True,
            check=False,
            timeout=LIMIT * 60 * minutes + 120,
        )
    except subprocess.TimeoutExpired:
        return f"not done after {LIMIT} times the bound's time"
    if done.returncode:
        return f"failed: {(done.stderr.strip().splitlines() or ['?'])[-1][:150]}"
    found = json.loads(done.stdout.splitlines()[-1])
    return "{steady:7.2f} {whole:7.2f} {seconds:6.0f} {load:5.1f}  {workers}".format(**found)


def _here(job: Job, by: str, minutes: float) -> dict[str, object]:
    from benchmarks import placement_rivals as rivals

    os.environ.update(QUIET)
    shards = max(8, round(job.bound() * 60 * minutes / job.shard_rows))
    with claimed(job.cluster):
        speed, workers = measure(job, inputs(job, shards), OUT / f"{by}-dataset", getattr(rivals, by))
    return {
        "steady": speed.steady,
        "whole": speed.whole,
        "seconds": speed.seconds,
        "load": speed.load,
        "workers": workers,
    }


def measure(job: Job, folder: Path, dataset: Path, how: "rivals.How") -> tuple[Speed, str]:  # type: ignore[name-defined]  # noqa: F821
    """Run a job on the Ray that is up; the times at which shards are through are those of their verdict files."""
    shutil.rmtree(dataset, ignore_errors=True)
    started = time.time()
    workers = how(job, folder, dataset)
    seconds = time.time() - started
    verdicts = dataset / "columns" / job.pipeline.verdict_id()
    times = sorted(path.stat().st_mtime - started for path in verdicts.glob("*.parquet"))
    samples = len(times) * job.shard_rows
    first, last = len(times) // 4, len(times) * 3 // 4
    steady = (last - first) * job.shard_rows / max(times[last] - times[first], 1e-9)
    bound = job.bound()
    return Speed(steady / bound, samples / seconds / bound, seconds, os.getloadavg()[0]), workers


def inputs(job: Job, shards: int) -> Path:
    """Return a folder of tars of tiny images; those of the second half say "late"."""
    folder = OUT / f"in-{shards}-{job.shard_rows}"
    if not folder.exists():
        part = folder.with_suffix(".part")
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir(parents=True)
        for i in range(shards):
            _write_shard(part / f"{i:05d}.tar", "late" if i >= shards / 2 else "early", job.shard_rows)
        part.rename(folder)
    return folder


def _write_shard(path: Path, text: str, rows: int) -> None:
    """Write samples of one small grey image and a text."""
    grey = encode_jpeg(np.full((32, 32, 3), 128, np.uint8), 90)
    with tarfile.open(path, "w", format=tarfile.USTAR_FORMAT) as tar:
        for i in range(rows):
            for extension, content in (("jpg", grey), ("txt", text.encode())):
                member = tarfile.TarInfo(f"{i:04d}.{extension}")
                member.size = len(content)
                tar.addfile(member, io.BytesIO(content))


@contextmanager
def claimed(cluster: Cluster) -> Iterator[None]:
    """Start a Ray that says it has these nodes, all on this machine."""
    import ray
    from ray.cluster_utils import Cluster as Raylets

    environment = {"env_vars": {"PYTHONPATH": str(Path(__file__).parent.parent)}}
    quiet = {"logging_level": "error", "log_to_driver": False, "runtime_env": environment}
    first, *others = cluster.nodes
    if not others:
        ray.init(
            address="local",
            num_cpus=int(first.cpus),
            num_gpus=int(first.gpus),
            include_dashboard=False,
            object_store_memory=128 << 20,
            **quiet,
        )
        yield
        ray.shutdown()
        return
    raylets = Raylets(initialize_head=True, head_node_args={"num_cpus": int(first.cpus), "num_gpus": int(first.gpus)})
    for node in others:
        raylets.add_node(num_cpus=int(node.cpus), num_gpus=int(node.gpus))
    ray.init(address=raylets.address, **quiet)
    yield
    ray.shutdown()
    raylets.shutdown()


if __name__ == "__main__":
    main()
