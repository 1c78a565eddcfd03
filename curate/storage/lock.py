"""One driver at a time on a dataset folder: a lock that dies with its holder and needs no clock of another machine."""

import contextlib
import fcntl
import json
import os
import random
import socket
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import IO, TypeAlias

from curate.errors import StoreError
from curate.storage.store import Store

__all__ = ["LockOwner", "Permit", "fenced", "lock_dataset", "lock_owner"]

Say: TypeAlias = Callable[[str], None]

LOCK = "lock"
WORKERS = "lock.workers"
BEAT_SECONDS = 5.0
STALE_SECONDS = 60.0  # twelve missed beats, on the clock of the one who waits
DRAIN_SECONDS = 60.0  # Ray ends the workers of a dead driver within seconds


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


@dataclass(frozen=True, slots=True)
class Permit:
    """What a worker shows before it writes: the token of its driver's lock and the digest of its driver's code."""

    token: str
    code: str


@contextlib.contextmanager
def lock_dataset(store: Store, say: Say) -> Iterator[Callable[[str], str]]:
    """Hold the dataset; gives a function that notes the run's id and returns the token its workers show.

    Raises StoreError naming the holder if another driver has it; `say` hears why it takes a while. Locally this is
    flock, so a killed driver leaves nothing behind; on an object store it is a lease that counts as dead when its
    counter has not moved for STALE_SECONDS of our own clock.
    """
    me = LockOwner(uuid.uuid4().hex, socket.gethostname(), os.getpid())
    with (_flock if store.is_local() else _lease)(store, me, say) as note:

        def name(run: str) -> str:
            note(replace(me, run=run))
            return me.token

        yield name


def lock_owner(store: Store) -> LockOwner | None:
    """Return who wrote the lock last, alive or not."""
    try:
        return LockOwner(**json.loads(store.read_bytes(LOCK)))
    except (StoreError, FileNotFoundError, ValueError, TypeError):
        return None


@contextlib.contextmanager
def fenced(store: Store, token: str) -> Iterator[None]:
    """Let a worker write for the driver that holds `token`; raises StoreError if another driver took over since.

    Locally the next driver waits until this block has ended, so that a worker that outlives its killed driver for a
    moment never writes beside the workers of the next one.
    """
    with _shared(store) if store.is_local() else contextlib.nullcontext():
        now = lock_owner(store)
        if now is None or now.token != token:
            raise StoreError(f"{store.root} was taken over by {now or 'nobody'}; this worker stops")
        yield


@contextlib.contextmanager
def _flock(store: Store, me: LockOwner, say: Say) -> Iterator[Callable[[LockOwner], None]]:
    with _open(store, LOCK) as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise StoreError(_refusal(store, lock_owner(store))) from None

        def note(new: LockOwner) -> None:
            stream.seek(0)
            stream.truncate()
            stream.write(json.dumps(asdict(new)).encode())
            stream.flush()

        note(me)
        _drain(store)
        yield note


@contextlib.contextmanager
def _shared(store: Store) -> Iterator[None]:
    with _open(store, WORKERS) as stream:
        fcntl.flock(stream, fcntl.LOCK_SH)
        yield


def _drain(store: Store) -> None:
    """Wait for workers of a killed driver; later ones see the new token and stop by themselves."""
    start = time.monotonic()
    with _open(store, WORKERS) as stream:
        while True:
            try:
                fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() - start > DRAIN_SECONDS:
                    raise StoreError(
                        f"workers of a stopped run still write to {store.root}; stop its Ray cluster (ray stop)"
                    ) from None
                time.sleep(0.05)
            else:
                return


def _open(store: Store, name: str) -> IO[bytes]:
    path: Path = store.local_path(name)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT, 0o666), "r+b")
    except OSError as error:
        raise StoreError(f"cannot write {path}: {error.strerror}") from error


@contextlib.contextmanager
def _lease(store: Store, me: LockOwner, say: Say) -> Iterator[Callable[[LockOwner], None]]:
    """Take the lease, renew it from a thread and remove it at the end."""
    _await_stale(store, say)
    _put(store, me)
    time.sleep(random.uniform(0.5, 1.0))  # of two that start at once the last writer stays
    if not _is_ours(store, me):
        raise StoreError(_refusal(store, lock_owner(store)))
    state, stop, turn = [me], threading.Event(), threading.Lock()

    def note(new: LockOwner | None) -> None:
        with turn:
            state[0] = replace(new or state[0], beat=state[0].beat + 1)
            _put(store, state[0])

    def renew() -> None:
        while not stop.wait(BEAT_SECONDS):
            with contextlib.suppress(StoreError):  # a missed beat is what STALE_SECONDS forgives
                if _is_ours(store, me):
                    note(None)

    thread = threading.Thread(target=renew, name="lease", daemon=True)
    thread.start()
    try:
        yield note
    finally:
        stop.set()
        thread.join()
        if _is_ours(store, me):
            store.remove(LOCK)


def _await_stale(store: Store, say: Say) -> None:
    """Return when nobody holds the lease; raises StoreError as soon as its counter moves."""
    first = lock_owner(store)
    if first is None:
        return
    say(f"{store.root} is leased to {first}; taking over unless it shows life within {STALE_SECONDS:.0f} s")
    end = time.monotonic() + STALE_SECONDS
    while time.monotonic() < end:
        time.sleep(min(1.0, STALE_SECONDS / 10))
        now = lock_owner(store)
        if now is None:
            return
        if now != first:
            raise StoreError(_refusal(store, now))


def _is_ours(store: Store, me: LockOwner) -> bool:
    now = lock_owner(store)
    return now is not None and now.token == me.token


def _put(store: Store, me: LockOwner) -> None:
    store.write_bytes(LOCK, json.dumps(asdict(me)).encode())


def _refusal(store: Store, who: LockOwner | None) -> str:
    return f"{store.root} is being written by {who or 'another run'}; wait for it or stop it, then run again"
