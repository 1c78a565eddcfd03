"""What a run tells whoever watches it from elsewhere: two small files beside its manifest.

`runs/RUN.live` is written anew every few seconds, and holds what the display of the run shows; `runs/RUN.log` gets a
line a minute, and what happened. Neither is part of the result. A run whose `live` file is old has lost its driver.
"""

import json
import os
import shutil
import socket
import subprocess
import sys
from collections import deque
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from curate.errors import StoreError
from curate.run.activity import StageLine
from curate.storage.store import Store

__all__ = ["LiveLog", "LiveState", "read_live"]

MOST_LINES: Final = 5_000  # of the log: some three days
GPU_QUERY: Final = (
    "nvidia-smi",
    "--query-gpu=name,utilization.gpu,memory.used,memory.total",
    "--format=csv,noheader,nounits",
)


@dataclass(frozen=True, slots=True)
class LiveState:
    """What was known at `at` (ISO 8601, UTC): shards and their number, seconds so far and left (null: not known).

    `stages` are the lines of the display. `gpus` are those of the driver's machine: name, percent in use, MiB used, and
    MiB. `dashboard` is Ray's address, null without Ray.
    """

    run: str
    at: str
    host: str
    pid: int
    shards_done: int
    shards: int
    seconds: float
    seconds_left: float | None
    waits_for: str
    stages: tuple[StageLine, ...]
    gpus: tuple[tuple[str, float, float, float], ...] = ()
    dashboard: str | None = None

    def age(self, now: datetime) -> float:
        """Return how many seconds ago it was written, by this machine's clock."""
        return (now - datetime.fromisoformat(self.at)).total_seconds()


@dataclass(slots=True)
class LiveLog:
    """Writes both files; a store that cannot be written does not stop the run for that."""

    store: Store
    run: str
    lines: deque[str] = field(default_factory=lambda: deque(maxlen=MOST_LINES))
    begun: bool = False

    def beat(self, numbers: dict[str, Any], stages: Sequence[StageLine]) -> None:
        """Write what is known now."""
        who: dict[str, Any] = {"run": self.run, "at": _now(), "host": socket.gethostname(), "pid": os.getpid()}
        state = LiveState(**who, **numbers, stages=tuple(stages), gpus=_gpus(), dashboard=_dashboard())
        self._write(f"runs/{self.run}.live", json.dumps(asdict(state), indent=1))

    def say(self, line: str) -> None:
        """Append a line to the log."""
        if not self.begun:
            self.lines.extend(_earlier(self.store, self.run))
            self.begun = True
        self.lines.append(f"{_now()} {line}")
        self._write(f"runs/{self.run}.log", "".join(f"{each}\n" for each in self.lines))

    def _write(self, path: str, text: str) -> None:
        try:
            self.store.write_bytes(path, text.encode())
        except StoreError:  # the next beat tries again; what is committed does not depend on it
            return


def read_live(store: Store, run: str) -> LiveState | None:
    """Return what a run told last; null if it never did."""
    path = f"runs/{run}.live"
    if not store.exists(path):
        return None
    told = json.loads(store.read_bytes(path))
    stages = tuple(StageLine(**line) for line in told.pop("stages"))
    return LiveState(**{**told, "stages": stages, "gpus": tuple(map(tuple, told["gpus"]))})


def _earlier(store: Store, run: str) -> list[str]:
    path = f"runs/{run}.log"
    return store.read_bytes(path).decode().splitlines() if store.exists(path) else []


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def _gpus() -> tuple[tuple[str, float, float, float], ...]:
    """Return the GPUs of this machine, as its driver's own tool tells them; none without it."""
    if shutil.which(GPU_QUERY[0]) is None:
        return ()
    try:
        done = subprocess.run(GPU_QUERY, capture_output=True, text=True, timeout=5, check=True)
        rows = [[part.strip() for part in line.split(",")] for line in done.stdout.splitlines() if line.strip()]
        return tuple((name, float(used), float(mib), float(of)) for name, used, mib, of in rows)
    except (OSError, subprocess.SubprocessError, ValueError):
        return ()


def _dashboard() -> str | None:
    """Return the address of Ray's dashboard, if this process has joined a Ray that has one."""
    ray = sys.modules.get("ray")
    if ray is None or not ray.is_initialized():
        return None
    url = ray._private.worker.get_dashboard_url()  # public only in what `ray.init` returned to whoever called it
    return f"http://{url}" if url else None
