"""Several servers that answer the same requests: who is well, who rests, who takes the next one."""

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
ILL = 3  # answers of HTTP 5xx in a row after which a server rests; one that says nothing rests at once
LOOK_SECONDS = 1.0


@dataclass(slots=True, eq=False)
class Server:
    """One server, as seen by this process: `open` requests of `limit`, and how it fared.

    `failures` counts since its last good answer, `silences` since it last said anything. An ill server rests, is then
    probed, and on `trial` gets one request at a time until it answers one.
    """

    url: str
    host: str
    limit: float
    open: int = 0
    taken: int = 0
    failures: int = 0
    silences: int = 0
    ill: bool = False
    trial: bool = False
    probing: bool = False
    rests_until: float = 0.0
    failed_at: float = 0.0
    trouble: str = ""
    refuses: set[str] = field(default_factory=set)  # parts of a request that it does not know

    def well(self, now: float) -> bool:
        return (self.trial or not self.ill) and now >= self.rests_until

    def free(self, now: float) -> bool:
        return self.well(now) and self.open < (1 if self.trial else max(1, int(self.limit)))


@dataclass(frozen=True, slots=True)
class Failure:
    """What went wrong: the server was "busy" (HTTP 429 and the like), had an "error" (5xx), or stayed "silent".

    `unsure` says that the request may have been worked on, and charged. `wait` is what the server asked for.
    """

    kind: Literal["busy", "error", "silent"]
    text: str
    unsure: bool = False
    wait: float | None = None


class Servers:
    """Hands out the least loaded server that is well; thread-safe.

    `probe` asks a server for a sign of life and raises OSError without one. A server is gone after `patience` silences
    in a row, each after a longer rest than the one before.
    """

    def __init__(self, servers: Sequence[Server], patience: int, probe: Callable[[Server], None]) -> None:
        self.servers, self.patience, self.probe = list(servers), patience, probe
        self.most = {server: server.limit for server in servers}
        self.changed = threading.Condition()

    def take(self, avoid: Collection[Server] = ()) -> Server:
        """Wait for a server and open a request there: not one of `avoid` while another is well.

        Raises EngineError when all are gone.
        """
        with self.changed:
            while True:
                self._raise_if_gone()
                now = time.monotonic()
                self._probe_the_rested(now)
                well = [server for server in self.servers if server.well(now)]
                wanted = [server for server in well if server not in avoid] or well
                if free := [server for server in wanted if server.free(now)]:
                    server = min(free, key=lambda server: (server.open / server.limit, server.taken))
                    server.open += 1
                    server.taken += 1
                    return server
                waits = [server.rests_until - now for server in self.servers if server.rests_until > now]
                self.changed.wait(min([*waits, LOOK_SECONDS]))

    def answered(self, server: Server) -> None:
        """Close a request that the server answered, were it with a refusal: it is well."""
        with self.changed:
            server.open -= 1
            server.failures = server.silences = 0
            server.ill = server.trial = False
            server.limit = min(self.most[server], server.limit + 1 / server.limit)
            self.changed.notify_all()

    def failed(self, server: Server, failure: Failure, began: float, number: str) -> None:
        """Close a request that failed; those that failed with it, begun before the last failure, count once."""
        with self.changed:
            server.open -= 1
            if began >= server.failed_at:
                self._note(server, failure, number)
            if failure.wait is not None:
                server.rests_until = max(server.rests_until, time.monotonic() + min(failure.wait, LONGEST_WAIT_SECONDS))
            self.changed.notify_all()

    def _note(self, server: Server, failure: Failure, number: str) -> None:
        server.failed_at, server.trouble = time.monotonic(), failure.text
        server.failures += 1
        server.silences = server.silences + 1 if failure.kind == "silent" else 0
        if failure.kind == "busy":
            server.limit = max(1.0, server.limit / 2)
            server.rests_until = server.failed_at + pause(number, server.failures)
        elif failure.kind == "silent" or server.failures >= ILL:
            self._rest(server, number)

    def _rest(self, server: Server, number: str) -> None:
        server.ill, server.trial = True, False
        server.rests_until = time.monotonic() + pause(number, server.failures)

    def _raise_if_gone(self) -> None:
        if all(server.silences > self.patience for server in self.servers):
            said = "; ".join(f"{server.host}: {server.trouble}" for server in self.servers)
            raise EngineError(f"no server answers at {said}; start it, or fix url")

    def _probe_the_rested(self, now: float) -> None:
        for server in self.servers:
            if server.ill and not server.trial and not server.probing and now >= server.rests_until:
                server.probing = True
                threading.Thread(target=self._probe, args=(server,), name="openai-probe", daemon=True).start()

    def _probe(self, server: Server) -> None:
        try:
            self.probe(server)
        except (OSError, EngineError) as error:
            with self.changed:
                server.trouble = str(error)
                server.failures += 1
                server.silences += 1
                self._rest(server, server.url)
        else:
            with self.changed:
                server.trial, server.silences = True, 0
        finally:
            with self.changed:
                server.probing = False
                self.changed.notify_all()


def pause(number: str, failures: int) -> float:
    """Return how many seconds to wait after so many failures: a doubling time, spread by a hash of the request."""
    spread = hashlib.blake2b(f"{number}\0{failures}".encode(), digest_size=2).digest()
    seconds = min(BACKOFF_SECONDS * (1 << min(failures - 1, 16)), LONGEST_WAIT_SECONDS)
    return seconds * (0.5 + int.from_bytes(spread) / 65_536)
