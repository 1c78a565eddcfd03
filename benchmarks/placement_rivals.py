"""The contestants of the placement benchmark; each measures a folder of shards and says how many workers it had."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeAlias

from rich.console import Console

from benchmarks.placement_jobs import MANY, Job
from curate.dataset.manifest import code_digest
from curate.run.monitor import RunMonitor
from curate.run.placement import Demand, solve
from curate.run.ray_worker import RayWorker
from curate.run.runner import RunRequest, run
from curate.run.shares import needs_on
from curate.run.spec import RunSpec
from curate.sources import find_shards
from curate.sources.shard import Shard
from curate.storage.lock import lock_dataset
from curate.storage.store import Store

__all__ = ["How", "ours", "raydata", "sized", "xenna"]

How: TypeAlias = Callable[[Job, Path, Path], str]


def ours(job: Job, folder: Path, dataset: Path) -> str:
    """Run it as `curate run` does."""
    manifest = run(RunRequest(job.pipeline, [str(folder)], str(dataset), "placement"), Console(quiet=True))
    segments = manifest.counts["placement"]["segments"]
    return ", ".join(f"{each['kind']} {each['workers']}" for each in segments)


def raydata(job: Job, folder: Path, dataset: Path) -> str:
    """Chain Ray Data actor pools that scale by themselves."""
    with _running(job, dataset) as spec:
        _raydata(job, spec, find_shards([str(folder)]), None)
    return "scaled by Ray Data"


def sized(job: Job, folder: Path, dataset: Path) -> str:
    """Chain Ray Data actor pools of fixed sizes, for the true costs."""
    sizes = true_sizes(job)
    with _running(job, dataset) as spec:
        _raydata(job, spec, find_shards([str(folder)]), sizes)
    return ", ".join(map(str, sizes))


def _raydata(job: Job, spec: RunSpec, shards: list[Shard], sizes: tuple[int, ...] | None) -> None:
    import logging

    import ray
    from ray.data import ActorPoolStrategy, DataContext

    logging.getLogger("ray.data").setLevel(logging.ERROR)
    DataContext.get_current().enable_progress_bars = False
    monitor = _monitor()
    rows = ray.data.from_items([{"at": i} for i in range(len(shards))], override_num_blocks=len(shards))
    for index, needs in enumerate(needs_on(spec.pipeline.segments(), job.cluster)):
        strategy = ActorPoolStrategy(
            min_size=sizes[index] if sizes else 1,
            max_size=sizes[index] if sizes else len(shards),
            max_concurrent_calls_per_actor=needs.shards,
            enable_true_multi_threading=needs.shards > 1,
            max_tasks_in_flight_per_actor=2 * needs.shards,
        )
        rows = rows.map(
            RayDataWorker,
            fn_constructor_args=(spec, index, monitor, shards),
            compute=strategy,
            num_cpus=needs.cpus,
            num_gpus=needs.gpus,
        )
    for _ in rows.iter_rows():
        pass


class RayDataWorker:
    """Measures the shard whose number is in a row."""

    def __init__(self, spec: RunSpec, index: int, monitor: Any, shards: list[Shard]) -> None:
        self.worker, self.shards = RayWorker(spec, [index], monitor), shards

    def __call__(self, row: dict[str, Any]) -> dict[str, Any]:
        outcome = self.worker.measure(self.shards[row["at"]])
        assert outcome.error is None, outcome.error
        return row


def xenna(job: Job, folder: Path, dataset: Path) -> str:
    """Run the segments as stages of cosmos-xenna."""
    from benchmarks.placement_xenna import run_xenna

    with _running(job, dataset) as spec:
        return run_xenna(spec, find_shards([str(folder)]), _monitor(), needs_on(spec.pipeline.segments(), job.cluster))


def true_sizes(job: Job) -> tuple[int, ...]:
    """Return the workers that the program gives each segment when all costs and shares are known."""
    needs = needs_on(job.pipeline.segments(), job.cluster)
    seconds = [early + late for early, late in zip(job.seconds(False), job.seconds(True), strict=True)]
    return solve([Demand(MANY * s, each, MANY) for s, each in zip(seconds, needs, strict=True)], job.cluster).sizes


@contextmanager
def _running(job: Job, dataset: Path) -> Iterator[RunSpec]:
    """Hold the dataset's lock, as a run does, and give the spec that its workers need."""
    with lock_dataset(Store(str(dataset)), print) as name:
        spec = RunSpec.resolve(job.pipeline, str(dataset), "000001-placement")
        yield replace(spec, token=name("000001-placement"), code=code_digest())


def _monitor() -> Any:
    return RunMonitor.remote()  # type: ignore[attr-defined]
