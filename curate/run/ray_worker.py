"""The actor that measures shards on Ray: the segments of one pool, one after another, under the eyes of the monitor."""

import gc
import os
import pickle
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import ray

from curate.dataset.manifest import code_digest
from curate.errors import CurateError
from curate.models.places import environment
from curate.run.crash_isolation import InFlight, OneByOne, ShardRecord, Watchdog, check_attempt
from curate.run.monitor import ProgressBuffer
from curate.run.pace import PaceMeter
from curate.run.spec import RunSpec
from curate.run.worker import Worker
from curate.sources.shard import Shard
from curate.storage.lock import fenced

__all__ = ["RayWorker", "ShardOutcome", "check_code"]


@dataclass(frozen=True, slots=True)
class ShardOutcome:
    """What became of a shard: `rows` that each segment of the pool had to measure, unless it was given up or stopped.

    `error` is a pickled CurateError that stops the run: Ray keeps only the text of an exception's cause. `devices` are
    the GPUs that a worker holds, maybe a share of, as it says when it is there.
    """

    rows: tuple[int, ...] = ()
    devices: tuple[str, ...] = ()
    error: bytes | None = None
    given_up: bool = False


class RayWorker:
    """Measures shards with the models of some segments; `indices` are neighbours.

    The driver starts another worker where one died, and gives it the same shard again: the monitor's crash log narrows
    the crashes down to samples, or gives the shard up.
    """

    def __init__(self, spec: RunSpec, indices: Sequence[int], monitor: Any) -> None:
        watchdog = Watchdog(lambda in_flight: ray.get(monitor.blame.remote(in_flight), timeout=30))
        self.progress = ProgressBuffer(monitor, tuple(indices))
        os.environ.update(environment(spec.models))  # loaders read it when they are imported
        self.workers = {
            i: Worker(spec, i, self.progress, watchdog, pace=PaceMeter(partial(self.progress.pace, i))) for i in indices
        }
        self.monitor, self.spec = monitor, spec
        self.code = code_digest()
        gc.freeze()  # what imports have made lives as long as the worker: not to be looked at by every collection

    def prepare(self) -> ShardOutcome:
        """Say that the worker is there; one with an engine starts it first, so that it is up when the first rows come.

        Other models are loaded when the first row needs them.
        """
        try:
            check_code(self.code, self.spec.code)
            for worker in self.workers.values():
                worker.start_engine()
        except CurateError as error:
            return ShardOutcome(error=pickle.dumps(error))
        return ShardOutcome(devices=tuple(map(str, ray.get_gpu_ids())))

    def measure(self, shard: Shard) -> ShardOutcome:
        """Measure a shard, segment after segment; what stops the run comes back as an outcome."""
        rows = []
        try:
            for index in self.workers:
                here = self._segment(index, shard)
                if here is None:
                    return ShardOutcome(given_up=True)
                rows.append(here)
        except CurateError as error:
            return ShardOutcome(error=pickle.dumps(error))
        return ShardOutcome(tuple(rows))

    def _segment(self, index: int, shard: Shard) -> int | None:
        """Measure one segment of a shard and return its rows; None if the shard is given up."""
        record: ShardRecord = ray.get(self.monitor.begin.remote(index, shard.name))
        if record.give_up:
            return None
        key = (index, shard.name, record.attempt)
        one_by_one = None if record.suspects is None else OneByOne(record, self._recorder(key))
        with fenced(self.spec.cells.store, self.spec.token):
            rows = self.workers[index].measure(shard, one_by_one, lambda: self._allow_commit(key))
        self.progress.send()
        ray.get(self.monitor.end.remote(*key))  # now the totals are complete
        return rows

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
