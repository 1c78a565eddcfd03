"""The pipeline as a Ray Data plan: the shard is the row, the segment is the operator, the worker is the actor."""

import json
import logging
import os
import pickle
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from typing import Any

import ray
import ray.data
from ray.data import ActorPoolStrategy
from rich.console import Console

from curate.dataset.manifest import code_digest
from curate.errors import CurateError
from curate.models.places import environment
from curate.recipe import FILE_MODULE
from curate.run.cluster import Cluster, free_now
from curate.run.crash_isolation import InFlight, OneByOne, ShardRecord, Watchdog, check_attempt
from curate.run.fit import amounts, fit
from curate.run.monitor import ProgressBuffer, RunMonitor
from curate.run.placement import beside_driver, most_workers, pool_sizes
from curate.run.planner import Plan
from curate.run.progress import Progress, Totals
from curate.run.shares import needs_on
from curate.run.spec import RunSpec
from curate.run.worker import Worker
from curate.sources import Shard
from curate.storage.lock import fenced
from curate.storage.store import remove_orphans

__all__ = ["run_on_ray"]

MAX_BLOCKS = 10_000  # a block is a task: a shard each, until the driver would spend its time on tasks
SYSTEM_ERRORS = (  # the monitor and the object store live beside the driver: without them there is no run
    ray.exceptions.ActorUnavailableError,
    ray.exceptions.ActorDiedError,
    ray.exceptions.LocalRayletDiedError,
    ray.exceptions.ObjectLostError,
    ray.exceptions.RpcError,
)
OBJECT_STORE_BYTES = 128 << 20  # only shard names travel, so a local cluster needs no more


def run_on_ray(plan: Plan, address: str | None, console: Console, wait: bool = False) -> dict[str, Any]:
    """Measure and commit the unfinished shards of a plan; return rows, errors and seconds by stage.

    Segments are chained, so captions start while perception still runs. Pixels never enter the object store. Raises
    CurateError at the end if shards were given up because they killed their worker again and again, or if Ray itself
    fails.
    """
    try:
        return _run_on_ray(plan, address, console, wait)
    except SYSTEM_ERRORS as error:
        raise CurateError(
            f"Ray lost a process that it cannot replace, or its connection ({type(error).__name__}); what was "
            "committed is kept: see that the cluster is up, then run the same command again"
        ) from error
    except ray.exceptions.RayError as error:
        raise CurateError(f"a worker failed: {last_line(error)}") from error


def _run_on_ray(plan: Plan, address: str | None, console: Console, wait: bool) -> dict[str, Any]:
    shards = plan.unfinished
    with cluster(address):
        spec, have = fit(plan.spec, console, wait)
        monitor: Any = RunMonitor.options(scheduling_strategy=beside_driver()).remote()  # type: ignore[attr-defined]
        progress = watched(spec, len(shards), monitor, console)
        given_up: list[str] = []
        with progress.live():
            for row in chain(spec, shards, monitor, have).iter_rows():
                if row["error"] is not None:
                    raise pickle.loads(row["error"])
                if row["given_up"]:
                    given_up.append(json.loads(row["shard"])["name"])
                progress.finish_shard()
        totals: Totals = ray.get(monitor.totals.remote())
        if ray.get(monitor.any_crash.remote()):
            remove_orphans(spec.cells.store)
    if given_up:
        raise CurateError(
            f"{len(given_up)} of {len(shards)} shards are left, each killed its worker again and again (a native "
            f"crash, or out of memory, that no sample could be blamed for): {', '.join(given_up[:5])}"
            f"{', ...' if len(given_up) > 5 else ''}; all others are done, run again to try these once more"
        )
    return totals.counts(spec.steps)


def watched(spec: RunSpec, shards: int, monitor: Any, console: Console) -> Progress:
    """Return the display of a run whose workers report to a monitor."""
    asked = [replace(each.resources, gpus=gpus) for each, gpus in zip(spec.pipeline.segments(), spec.gpus, strict=True)]
    return Progress(
        spec,
        shards,
        lambda: ray.get(monitor.totals.remote()),
        lambda: ray.get(monitor.crew.remote()),
        console,
        lambda index: f"{amounts(asked[index])} ({free_now()})",
    )


@contextmanager
def cluster(address: str | None) -> Iterator[None]:
    """Join the cluster at `address`, or start one on this machine and take it down afterwards.

    A Ray that the calling program has already initialised is used and left as it was. Without an
    address it is given "local": else Ray would join any cluster it finds.
    """
    ours, on_sigterm = not ray.is_initialized(), signal.getsignal(signal.SIGTERM)
    if ours:
        local = {"include_dashboard": False, "object_store_memory": OBJECT_STORE_BYTES} if address is None else {}
        if address is None:
            os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")  # else every pool prints ray-project/ray#53727
        ray.init(address=address or "local", logging_level="error", log_to_driver=False, **local)
        if callable(on_sigterm) and threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, on_sigterm)  # Ray puts its own there
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    ray.data.DataContext.get_current().enable_progress_bars = False
    try:
        yield
    finally:
        if ours:
            ray.shutdown()


def chain(spec: RunSpec, shards: list[Shard], monitor: Any, have: Cluster) -> Any:
    """Return the lazy Ray dataset: one row per shard, one actor pool per segment."""
    for name in [name for name in sys.modules if name.startswith(FILE_MODULE)]:  # classes and functions of recipe files
        ray.cloudpickle.register_pickle_by_value(sys.modules[name])
    rows = [{"shard": json.dumps(asdict(shard)), "error": None, "given_up": False} for shard in shards]
    dataset = ray.data.from_items(rows, override_num_blocks=min(len(rows), MAX_BLOCKS))
    segments = spec.pipeline.segments()
    asked = needs_on(segments, have)
    sizes = pool_sizes(segments, asked, have, len(shards))
    for index, (segment, needs, workers) in enumerate(zip(segments, asked, sizes, strict=True)):
        most = most_workers(segment, needs, workers, len(shards))
        dataset = dataset.map(
            RayWorker,
            fn_constructor_args=(spec, index, monitor),
            compute=ActorPoolStrategy(
                min_size=workers,
                max_size=most,
                max_concurrent_calls_per_actor=needs.shards,
                enable_true_multi_threading=needs.shards > 1,
                max_tasks_in_flight_per_actor=2 * needs.shards,  # less, and Ray never finds a pool busy enough to grow
            ),
            num_cpus=needs.cpus,
            num_gpus=needs.gpus,
            resources=dict(needs.custom),
        )
    return dataset


class RayWorker:
    """The actor that Ray Data calls with one shard at a time.

    What stops a run travels back as a pickled CurateError: Ray keeps only the text of an exception's cause. Ray
    restarts an actor that died and gives it the same shard again, for ever: the monitor's crash log narrows the
    crashes down to samples, or gives the shard up.
    """

    def __init__(self, spec: RunSpec, index: int, monitor: Any) -> None:
        watchdog = Watchdog(lambda in_flight: ray.get(monitor.blame.remote(in_flight), timeout=30))
        self.progress = ProgressBuffer(monitor, (index,))
        os.environ.update(environment(spec.models))  # loaders read it when they are imported
        self.worker = Worker(spec, index, self.progress, watchdog)
        self.monitor, self.index, self.spec = monitor, index, spec
        self.code = code_digest()

    def __call__(self, row: dict[str, Any]) -> dict[str, Any]:
        if row["error"] is not None or row["given_up"]:
            return row
        fields = json.loads(row["shard"])
        shard = Shard(**{**fields, "files": tuple(fields["files"])})
        record: ShardRecord = ray.get(self.monitor.begin.remote(self.index, shard.name))
        if record.give_up:
            return {**row, "given_up": True}
        key = (self.index, shard.name, record.attempt)
        one_by_one = None if record.suspects is None else OneByOne(record, self._recorder(key))
        try:
            check_code(self.code, self.spec.code)
            with fenced(self.spec.cells.store, self.spec.token):
                self.worker.measure(shard, one_by_one, lambda: self._allow_commit(key))
        except CurateError as error:
            return {**row, "error": pickle.dumps(error)}
        self.progress.send()
        ray.get(self.monitor.end.remote(*key))  # now the totals are complete
        return row

    def _recorder(self, key: tuple[int, str, int]) -> Callable[[InFlight | None], None]:
        return lambda in_flight: ray.get(self.monitor.record.remote(*key, in_flight))

    def _allow_commit(self, key: tuple[int, str, int]) -> None:
        check_attempt(key[1], ray.get(self.monitor.is_current.remote(*key)))


def check_code(code: str, expected: str) -> None:
    """Raise CurateError if a worker runs other code than its driver."""
    if code != expected:
        raise CurateError(
            f"worker on {socket.gethostname()} has Curate code {code}, the driver {expected}; install the same "
            f"version on every machine, restart Ray there, then run again"
        )


def last_line(error: BaseException) -> str:
    """Return the last line of an error's text that says something."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__
