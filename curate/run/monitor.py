"""The run's monitor, one actor beside the driver: progress of all workers, and the crash log."""

import threading
import time
import uuid
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import ray

from curate.run.activity import Activity
from curate.run.crash_isolation import CrashLog, InFlight, ShardRecord
from curate.run.pace import Pace
from curate.run.progress import ProgressEvent, Totals

__all__ = ["ProgressBuffer", "RunMonitor"]

SEND_SECONDS = 0.5
ALIVE_SECONDS = 5.0
SILENT_SECONDS = 30.0  # a model that loads may hold Python's lock for a while


@ray.remote(num_cpus=0)
class RunMonitor:
    """Adds up progress from all workers, for display, and keeps the run's crash log."""

    def __init__(self) -> None:
        self.sums = Totals()
        self.crash_log = CrashLog()
        self.heard: dict[str, tuple[float, Activity]] = {}

    def add(self, more: Totals) -> None:
        for stage, each in more.stages.items():
            self.sums.add(ProgressEvent(stage, each.rows, each.errors, each.seconds))
        for index, pace in more.paces.items():
            self.sums.add_pace(index, pace)

    def hear(self, activity: Activity) -> None:
        """Take what a worker says of itself every few seconds; one that falls silent is forgotten."""
        self.heard[activity.worker] = (time.monotonic(), activity)

    def crew(self) -> list[Activity]:
        """Return what the workers are at that were heard of lately."""
        since = time.monotonic() - SILENT_SECONDS
        self.heard = {name: heard for name, heard in self.heard.items() if heard[0] >= since}
        return [activity for _, activity in self.heard.values()]

    def totals(self) -> Totals:
        return self.sums

    def begin(self, index: int, shard: str) -> ShardRecord:
        return self.crash_log.begin(index, shard)

    def record(self, index: int, shard: str, attempt: int, in_flight: InFlight | None) -> None:
        self.crash_log.record(index, shard, attempt, in_flight)

    def blame(self, in_flight: InFlight) -> None:
        self.crash_log.blame(in_flight)

    def is_current(self, index: int, shard: str, attempt: int) -> bool:
        return self.crash_log.is_current(index, shard, attempt)

    def end(self, index: int, shard: str, attempt: int) -> None:
        self.crash_log.end(index, shard, attempt)

    def any_crash(self) -> bool:
        return self.crash_log.any_crash


class ProgressBuffer:
    """Adds up the events of one worker and sends the sums twice a second: a message costs both ends a millisecond.

    Every few seconds, and when models begin or end to load, it says that the worker of `segments` is there.
    """

    def __init__(self, monitor: Any, segments: Sequence[int]) -> None:
        self.monitor, self.lock = monitor, threading.Lock()
        self.sums, self.sent = Totals(), time.monotonic()
        self.activity = Activity(uuid.uuid4().hex, tuple(segments))
        threading.Thread(target=self._tell, daemon=True).start()

    def __call__(self, event: ProgressEvent) -> None:
        with self.lock:
            if event.loading is not None:
                self._loading(event.stage, event.loading)
                return
            self.sums.add(event)
            if time.monotonic() - self.sent >= SEND_SECONDS:
                self._send()

    def pace(self, index: int, more: Pace) -> None:
        """Add what a segment's worker is through with; it goes with the events."""
        with self.lock:
            self.sums.add_pace(index, more)
            if time.monotonic() - self.sent >= SEND_SECONDS:
                self._send()

    def send(self) -> None:
        """Send what was not sent yet."""
        with self.lock:
            self._send()

    def _send(self) -> None:
        self.monitor.add.remote(self.sums)
        self.sums, self.sent = Totals(), time.monotonic()

    def _loading(self, stage: str, begun: bool) -> None:
        others = tuple(one for one in self.activity.loading if one != stage)
        self.activity = replace(self.activity, loading=(*others, stage) if begun else others)
        self.monitor.hear.remote(self.activity)

    def _tell(self) -> None:
        while True:
            self.monitor.hear.remote(self.activity)
            time.sleep(ALIVE_SECONDS)
