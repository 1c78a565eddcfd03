"""The run's monitor, one actor beside the driver: progress of all workers, and the crash log."""

import threading
import time
from typing import Any

import ray

from curate.run.crash_isolation import CrashLog, InFlight, ShardRecord
from curate.run.pace import Pace
from curate.run.progress import ProgressEvent, Totals

__all__ = ["ProgressBuffer", "RunMonitor"]

SEND_SECONDS = 0.5


@ray.remote(num_cpus=0)
class RunMonitor:
    """Adds up progress from all workers, for display, and keeps the run's crash log."""

    def __init__(self) -> None:
        self.sums = Totals()
        self.crash_log = CrashLog()

    def add(self, more: Totals) -> None:
        for stage, each in more.stages.items():
            self.sums.add(ProgressEvent(stage, each.rows, each.errors, each.seconds))
        for index, pace in more.paces.items():
            self.sums.add_pace(index, pace)

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
    """Adds up the events of one worker and sends the sums twice a second: a message costs both ends a millisecond."""

    def __init__(self, monitor: Any) -> None:
        self.monitor, self.lock = monitor, threading.Lock()
        self.sums, self.sent = Totals(), time.monotonic()

    def __call__(self, event: ProgressEvent) -> None:
        with self.lock:
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
