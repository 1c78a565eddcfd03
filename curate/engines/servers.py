"""Several servers of one model: their health, how long they are left alone, and which one takes the next request."""

import hashlib
import threading
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from typing import Literal

from curate.errors import EngineError

__all__ = ["Failure", "Server", "Servers"]

BACKOFF_SECONDS = 0.5  # doubled with every failure in a row, then spread over 50 to 150 %
LONGEST_WAIT_SECONDS = 60.0
MOST_ERRORS = 3  # answers of HTTP 5xx in a row that make a server unhealthy; a silence does at once
POLL_SECONDS = 1.0


@dataclass(slots=True, eq=False)
class Server:
    """One server, its requests `in_flight` from this process (at most `limit`), and its recent results.

    `failures` counts since its last good answer, `silences` since its last answer of any kind. An unhealthy server
    gets no requests until `paused_until`, is then probed, and then, on trial, gets one at a time until it answers one.
    """

    url: str
    host: str
    limit: float
    in_flight: int = 0
    total: int = 0
    failures: int = 0
    silences: int = 0
    unhealthy: bool = False
    on_trial: bool = False
    probing: bool = False
    paused_until: float = 0.0
    failed_at: float = 0.0
    last_error: str = ""
    refuses: set[str] = field(default_factory=set)  # parts of a request that it does not know

    def is_available(self, now: float) -> bool:
        return (self.on_trial or not self.unhealthy) and now >= self.paused_until

    def has_room(self, now: float) -> bool:
        return self.is_available(now) and self.in_flight < (1 if self.on_trial else max(1, int(self.limit)))


@dataclass(frozen=True, slots=True)
class Failure:
    """A try that failed: the server was "busy" (HTTP 429 and the like), had an "error" (5xx), or stayed "silent".

    `unsure` says that the request may have been worked on, and charged. `wait` is how many seconds the server asked
    to be left alone; null if it did not.
    """

    kind: Literal["busy", "error", "silent"]
    text: str
    unsure: bool = False
    wait: float | None = None


class Servers:
    """Hands out the least loaded of the servers that are available; thread-safe.

    `probe` asks a server for a sign of life and raises OSError without one. A server is gone after more than
    `patience` silences in a row, each after a longer pause than the one before.
    """

    def __init__(self, servers: Sequence[Server], patience: int, probe: Callable[[Server], None]) -> None:
        self.servers, self.patience, self.probe = list(servers), patience, probe
        self.highest_limit = {server: server.limit for server in servers}
        self.changed = threading.Condition()

    def take(self, avoid: Collection[Server] = ()) -> Server:
        """Wait for a server and count a request there: not one of `avoid` while another is available.

        Raises EngineError when all are gone.
        """
        with self.changed:
            while True:
                self._raise_if_gone()
                now = time.monotonic()
                self._start_probes(now)
                available = [server for server in self.servers if server.is_available(now)]
                candidates = [server for server in available if server not in avoid] or available
                if with_room := [server for server in candidates if server.has_room(now)]:
                    server = min(with_room, key=lambda server: (server.in_flight / server.limit, server.total))
                    server.in_flight += 1
                    server.total += 1
                    return server
                pauses = [server.paused_until - now for server in self.servers if server.paused_until > now]
                self.changed.wait(min([*pauses, POLL_SECONDS]))

    def answered(self, server: Server) -> None:
        """Count a request that the server answered, be it with a refusal: it is healthy."""
        with self.changed:
            server.in_flight -= 1
            server.failures = server.silences = 0
            server.unhealthy = server.on_trial = False
            server.limit = min(self.highest_limit[server], server.limit + 1 / server.limit)
            self.changed.notify_all()

    def failed(self, server: Server, failure: Failure, began: float, request_id: str) -> None:
        """Count a request that failed; those that began before the server's last failure count as one with it."""
        with self.changed:
            server.in_flight -= 1
            if began >= server.failed_at:
                self._count(server, failure, request_id)
            if failure.wait is not None:
                until = time.monotonic() + min(failure.wait, LONGEST_WAIT_SECONDS)
                server.paused_until = max(server.paused_until, until)
            self.changed.notify_all()

    def _count(self, server: Server, failure: Failure, request_id: str) -> None:
        server.failed_at, server.last_error = time.monotonic(), failure.text
        server.failures += 1
        server.silences = server.silences + 1 if failure.kind == "silent" else 0
        if failure.kind == "busy":
            server.limit = max(1.0, server.limit / 2)
            server.paused_until = server.failed_at + pause(request_id, server.failures)
        elif failure.kind == "silent" or server.failures >= MOST_ERRORS:
            self._mark_unhealthy(server, request_id)

    def _mark_unhealthy(self, server: Server, key: str) -> None:
        server.unhealthy, server.on_trial = True, False
        server.paused_until = time.monotonic() + pause(key, server.failures)

    def _raise_if_gone(self) -> None:
        if all(server.silences > self.patience for server in self.servers):
            errors = "; ".join(f"{server.host}: {server.last_error}" for server in self.servers)
            raise EngineError(f"no server answers at {errors}; start it, or fix url")

    def _start_probes(self, now: float) -> None:
        for server in self.servers:
            if server.unhealthy and not server.on_trial and not server.probing and now >= server.paused_until:
                server.probing = True
                threading.Thread(target=self._probe, args=(server,), name="openai-probe", daemon=True).start()

    def _probe(self, server: Server) -> None:
        try:
            self.probe(server)
        except (OSError, EngineError) as error:
            with self.changed:
                server.last_error = str(error)
                server.failures += 1
                server.silences += 1
                self._mark_unhealthy(server, server.url)
        else:
            with self.changed:
                server.on_trial, server.silences = True, 0
        finally:
            with self.changed:
                server.probing = False
                self.changed.notify_all()


def pause(key: str, failures: int) -> float:
    """Return how many seconds to wait after so many failures: a doubling time, spread by a hash of `key`."""
    spread = hashlib.blake2b(f"{key}\0{failures}".encode(), digest_size=2).digest()
    seconds = min(BACKOFF_SECONDS * (1 << min(failures - 1, 16)), LONGEST_WAIT_SECONDS)
    return seconds * (0.5 + int.from_bytes(spread) / 65_536)
