"""A lease on an object store: held by beating, free or stale otherwise, taken and renewed by compare-and-swap."""

import json
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Final, TypeGuard

from curate.errors import StoreError
from curate.storage.shared_file import SharedFile, Snapshot
from curate.storage.store import Store

__all__ = ["LOCK", "LockOwner", "leased", "parse_owner", "refusal"]

LOCK: Final = "lock"
BEAT_SECONDS = 5.0
STALE_SECONDS = 60.0  # twelve missed beats, on the clock of the one who waits
TRIES: Final = 20  # to create a lease that vanishes again and again
FREE: Final = b""  # a lease is never removed: on most servers a removal cannot have a condition


@dataclass(frozen=True, slots=True)
class LockOwner:
    """Who may write to the dataset; `token` is new for every driver, `beat` counts up while a lease is alive."""

    token: str
    host: str
    pid: int
    run: str = ""
    beat: int = 0

    def __str__(self) -> str:
        return f"{f'run {self.run}' if self.run else 'a run'} (pid {self.pid} on {self.host})"


def parse_owner(data: bytes) -> LockOwner | None:
    """Return the owner that a lock file names, None for a free lease or a file that is none of ours."""
    try:
        return LockOwner(**json.loads(data))
    except (ValueError, TypeError):
        return None


def refusal(store: Store, owner: LockOwner | None) -> str:
    """Return the sentence for a dataset that another driver holds."""
    return f"{store.root} is being written by {owner or 'another run'}; wait for it or stop it, then run again"


@contextmanager
def leased(store: Store, me: LockOwner, log: Callable[[str], None]) -> Iterator[Callable[[LockOwner], None]]:
    """Hold the lease of a dataset for a block; gives a function that changes what the lease says of its owner.

    Raises StoreError if another driver holds it, or has taken it over before the block ends: at once, even out of a
    blocking call, if the block runs in the main thread, else at its end. It can be taken over only from a driver that
    did not beat for STALE_SECONDS: a suspended machine, a network that was away. What is atomic: see SharedFile.
    """
    lease = _Lease(store, me)
    lease.take(log)
    try:
        with _interrupts(lease.lost) as interrupt:
            beats = threading.Thread(target=lease.beat_until_done, args=(interrupt,), name="lease", daemon=True)
            beats.start()
            try:
                yield lease.note
            finally:
                lease.done.set()
                beats.join()
                lease.release()
    except KeyboardInterrupt:
        if not lease.lost.is_set():
            raise
    lease.check()


@dataclass(slots=True)
class _Lease:
    store: Store
    owner: LockOwner
    lost: threading.Event = field(default_factory=threading.Event)
    done: threading.Event = field(default_factory=threading.Event)
    turn: Any = field(default_factory=threading.Lock)  # between the beats and `note`

    @property
    def file(self) -> SharedFile:
        return SharedFile(self.store, LOCK)

    def take(self, log: Callable[[str], None]) -> None:
        """Create the lease, or replace one that is free or stale; raises StoreError if it shows life."""
        for _ in range(TRIES):
            if self.file.create(_encode(self.owner)):
                return
            snapshot = self.file.read()
            if snapshot is None:  # removed since
                time.sleep(0.1)
                continue
            if parse_owner(snapshot.data) and not self._await_stale(snapshot, log):
                continue
            if self.file.replace(_encode(self.owner), snapshot):
                return
            break
        raise StoreError(refusal(self.store, self._current()))

    def _await_stale(self, first: Snapshot, log: Callable[[str], None]) -> bool:
        """Return True if the lease did not change for STALE_SECONDS, False if it was freed meanwhile.

        Raises StoreError as soon as it shows life.
        """
        owner = parse_owner(first.data)
        log(f"{self.store.root} is leased to {owner}; taking over unless it shows life within {STALE_SECONDS:.0f} s")
        end = time.monotonic() + STALE_SECONDS
        while time.monotonic() < end:
            time.sleep(min(1.0, STALE_SECONDS / 10))
            now = self.file.read()
            if now is None or now.data == FREE:
                return False
            if now != first:
                raise StoreError(refusal(self.store, parse_owner(now.data)))
        return True

    def _current(self) -> LockOwner | None:
        snapshot = self.file.read()
        return parse_owner(snapshot.data) if snapshot else None

    def note(self, owner: LockOwner) -> None:
        """Write what the lease says of its owner; raises StoreError if it is lost."""
        self._swap(owner)
        self.check()

    def check(self) -> None:
        if self.lost.is_set():
            raise StoreError(
                f"{self.store.root} was taken over by {self._current() or 'another run'} while this run could not "
                f"renew its lease; it stops here, what it committed is kept: run again when the other one is done"
            )

    def beat_until_done(self, interrupt: Callable[[], None]) -> None:
        """Count the lease up every BEAT_SECONDS; if it is lost, call `interrupt` and end."""
        while not self.done.wait(BEAT_SECONDS):
            with suppress(StoreError):  # a missed beat is what STALE_SECONDS forgives
                self._swap(self.owner)
            if self.lost.is_set():
                interrupt()
                return

    def release(self) -> None:
        """Mark the lease as free, if it still is ours; where that fails it is stale in STALE_SECONDS."""
        with suppress(StoreError):
            snapshot = self.file.read()
            if self._is_ours(snapshot):
                self.file.replace(FREE, snapshot)

    def _swap(self, owner: LockOwner) -> None:
        with self.turn:
            owner = replace(owner, run=owner.run or self.owner.run, beat=self.owner.beat + 1)
            snapshot = self.file.read()
            if self._is_ours(snapshot) and self.file.replace(_encode(owner), snapshot):
                self.owner = owner
            elif not self._is_ours(self.file.read()):
                self.lost.set()

    def _is_ours(self, snapshot: Snapshot | None) -> TypeGuard[Snapshot]:
        owner = parse_owner(snapshot.data) if snapshot else None
        return owner is not None and owner.token == self.owner.token


@contextmanager
def _interrupts(lost: threading.Event) -> Iterator[Callable[[], None]]:
    """Give a function for another thread that raises KeyboardInterrupt in this one if `lost` is set.

    Only the main thread can be interrupted; elsewhere the function does nothing. SIGURG is ignored by default, so one
    that comes late does no harm. KeyboardInterrupt, because Ray's waits let only that pass.
    """
    if threading.current_thread() is not threading.main_thread():
        yield lambda: None
        return

    def stop(number: int, frame: Any) -> None:
        if lost.is_set():
            raise KeyboardInterrupt

    before = signal.signal(signal.SIGURG, stop)
    main = threading.main_thread().ident or 0
    try:
        yield lambda: signal.pthread_kill(main, signal.SIGURG)
    finally:
        signal.signal(signal.SIGURG, before)


def _encode(owner: LockOwner) -> bytes:
    return json.dumps(asdict(owner)).encode()
