"""A run on Ray: the shard is the unit of work, a pool of workers does some neighbouring segments."""

import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, Final

import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy
from rich.console import Console

from curate.errors import BreakerError, CurateError
from curate.recipe import FILE_MODULE
from curate.run.cluster import Cluster, free_now, read_nodes
from curate.run.fit import amounts, fit
from curate.run.monitor import RunMonitor
from curate.run.pace import Pace, Rates
from curate.run.pilot import Pilot
from curate.run.placement import beside_driver
from curate.run.placement_record import PlacementRecord, earlier_rates, machine, placement_record
from curate.run.planner import Plan
from curate.run.pools import Pool, Pools, last_line
from curate.run.progress import Progress, Totals
from curate.run.ray_worker import RayWorker
from curate.run.sizing import Sizer, make_pools
from curate.run.spec import RunRequest, RunSpec
from curate.stages import Resources
from curate.storage.store import remove_orphans

__all__ = ["RayRun", "carry_recipe_files", "cluster", "ray_errors", "run_on_ray"]

SYSTEM_ERRORS = (  # the monitor and the object store live beside the driver: without them there is no run
    ray.exceptions.ActorUnavailableError,
    ray.exceptions.ActorDiedError,
    ray.exceptions.LocalRayletDiedError,
    ray.exceptions.ObjectLostError,
    ray.exceptions.RpcError,
)
LOCAL: Final[dict[str, Any]] = {
    "include_dashboard": False,
    "object_store_memory": 128 << 20,  # only shard names travel, so a local cluster needs no more
    "_system_config": {"enable_metrics_collection": False},  # nobody reads them, and Ray prints where they cannot go
}


@dataclass(frozen=True, slots=True)
class RayRun:
    """What a run on Ray leaves: rows, errors and seconds by stage, and how its workers were placed."""

    measured: dict[str, Any]
    placement: PlacementRecord


def run_on_ray(
    plan: Plan,
    request: RunRequest,
    console: Console,
    earlier: Sequence[PlacementRecord] = (),
) -> RayRun:
    """Measure and commit the unfinished shards of a plan.

    Segments are chained, so captions start while perception still runs. `earlier` are the placements of earlier runs
    over this dataset, the newest first: their rates size the pools until this run has measured its own. Pixels never
    enter the object store. Raises CurateError at the end if shards were given up because they killed their worker again
    and again, or if Ray itself fails.
    """
    with ray_errors():
        return _run_on_ray(plan, request, console, earlier)


@contextmanager
def ray_errors() -> Iterator[None]:
    """Raise what Ray raises in the block as CurateError, in one sentence."""
    try:
        yield
    except SYSTEM_ERRORS as error:
        raise CurateError(
            f"Ray lost a process that it cannot replace, or its connection ({type(error).__name__}); what was "
            "committed is kept: see that the cluster is up, then run the same command again"
        ) from error
    except ray.exceptions.RayError as error:
        raise CurateError(f"a worker failed: {last_line(error)}") from error


def _run_on_ray(plan: Plan, request: RunRequest, console: Console, earlier: Sequence[PlacementRecord]) -> RayRun:
    shards = plan.unfinished
    with cluster(request.address):
        spec, have = fit(plan.spec, console, request.wait_for_nodes)
        monitor: Any = RunMonitor.options(scheduling_strategy=beside_driver()).remote()  # type: ignore[attr-defined]
        progress, pools = watched(spec, plan, monitor, console), make_pools(spec.segments(), have)
        sizer = make_sizer(spec, len(shards), monitor, have, earlier)
        pilot, given_up = Pilot(spec, len(sizer.segments), len(shards)), list[str]()
        try:
            with progress.live():
                for finished in Pools(pools, starter(spec, monitor), read_nodes, sizer).run(shards):
                    if finished.given_up:
                        given_up.append(finished.shard.name)
                    sizer.finished(pools[finished.pool], finished.rows)
                    if (sentence := pilot.see(finished.shard, finished.rows)) and not request.allow_empty:
                        raise BreakerError(sentence)
                    if finished.given_up or finished.pool == len(pools) - 1:
                        progress.finish_shard()
        finally:
            sizer.ask([])
        totals: Totals = ray.get(monitor.totals.remote())
        if ray.get(monitor.any_crash.remote()):
            remove_orphans(spec.cells.store)
    if given_up:
        raise CurateError(
            f"{len(given_up)} of {len(shards)} shards are left, each killed its worker again and again (a native "
            f"crash, or out of memory, that no sample could be blamed for): {', '.join(given_up[:5])}"
            f"{', ...' if len(given_up) > 5 else ''}; all others are done, run again to try these once more"
        )
    return RayRun(totals.counts(spec.steps), placement_record(spec.steps, sizer, pools, totals.paces, machine(have)))


def make_sizer(spec: RunSpec, shards: int, monitor: Any, have: Cluster, earlier: Sequence[PlacementRecord]) -> Sizer:
    """Return what sizes the pools: it knows the rates of earlier runs, and asks an autoscaler where there is one."""
    segments = spec.segments()
    known = earlier_rates(earlier, spec.steps, segments, machine(have))
    rates = Rates(tuple(each.kind for each in segments), known)
    sizer = Sizer(segments, shards, rates, paces_of(monitor), time.monotonic)
    if have.autoscales:
        from ray.autoscaler.sdk import request_resources

        sizer.ask = lambda bundles: request_resources(bundles=bundles)
    return sizer


def paces_of(monitor: Any) -> Callable[[], dict[int, Pace]]:
    """Return what looks up the paces of all workers: none while the monitor starts, so that workers start beside it."""
    there = monitor.totals.remote()

    def paces() -> dict[int, Pace]:
        if not ray.wait([there], timeout=0)[0]:
            return {}
        totals: Totals = ray.get(monitor.totals.remote())
        return totals.paces

    return paces


def watched(spec: RunSpec, plan: Plan, monitor: Any, console: Console) -> Progress:
    """Return the display of a run whose workers report to a monitor; `spec` says what they hold."""
    asked = [replace(each.resources, gpus=gpus) for each, gpus in zip(spec.segments(), spec.gpus, strict=True)]
    return Progress(
        spec,
        len(plan.unfinished),
        lambda: ray.get(monitor.totals.remote()),
        lambda: ray.get(monitor.crew.remote()),
        console,
        lambda index: f"{amounts(asked[index])} ({free_now()})",
        plan.then(),
    )


@contextmanager
def cluster(address: str | None) -> Iterator[None]:
    """Join the cluster at `address`, or start one on this machine and take it down afterwards.

    A Ray that the calling program has already initialised is used and left as it was. Without an
    address it is given "local": else Ray would join any cluster it finds.
    """
    ours, on_sigterm = not ray.is_initialized(), signal.getsignal(signal.SIGTERM)
    if ours:
        local = LOCAL if address is None else {}
        with _starting(address):
            ray.init(address=address or "local", logging_level="error", log_to_driver=False, **local)
        if callable(on_sigterm) and threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, on_sigterm)  # Ray puts its own there
    try:
        yield
    finally:
        if ours:
            ray.shutdown()


def carry_recipe_files() -> None:
    """Let classes and functions of recipe files, which workers cannot import, travel as they are."""
    for name in [name for name in sys.modules if name.startswith(FILE_MODULE)]:
        ray.cloudpickle.register_pickle_by_value(sys.modules[name])


@contextmanager
def _starting(address: str | None) -> Iterator[None]:
    """Raise CurateError where Ray does not start, or the cluster cannot be joined."""
    try:
        yield
    except Exception as error:  # Ray raises bare ones, e.g. when a node starts too slowly
        what = f"the Ray cluster at {address} cannot be joined" if address else "Ray cannot be started on this machine"
        raise CurateError(f"{what} ({last_line(error)}); what was committed is kept: run again when it can") from error


def starter(spec: RunSpec, monitor: Any) -> Callable[[Pool, str, Resources], Any]:
    """Return a function that starts a worker of a pool on a node, which holds what it is given.

    Should the node be gone by then, Ray finds another one.
    """
    carry_recipe_files()
    actor: Any = ray.remote(RayWorker)
    sent = ray.put(spec)

    def start(pool: Pool, node: str, needs: Resources) -> Any:
        return actor.options(
            num_cpus=round(needs.cpus, 3),
            num_gpus=needs.gpus,
            resources=dict(needs.custom),
            max_concurrency=needs.shards,
            scheduling_strategy=NodeAffinitySchedulingStrategy(node, soft=True),
        ).remote(sent, pool.indices, monitor)

    return start
