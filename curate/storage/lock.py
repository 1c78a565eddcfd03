"""One driver at a time on a dataset folder: flock on a local one, a lease on an object store.

Neither needs the clock of another machine, and neither outlives its holder for long.
"""

import contextlib
import fcntl
import json
import os
import socket
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import IO

from curate.errors import StoreError
from curate.storage.lease import LOCK, LockOwner, leased, parse_owner, refusal
from curate.storage.store import Store

__all__ = ["LockOwner", "fenced", "lock_dataset", "lock_owner"]

WORKERS = "lock.workers"
DRAIN_SECONDS = 60.0  # Ray ends the workers of a dead driver within seconds


@contextlib.contextmanager
def lock_dataset(store: Store, log: Callable[[str], None]) -> Iterator[Callable[[str], str]]:
    """Hold the dataset for a block; gives a function that records the run's id and returns its fencing token.

    Raises StoreError naming the holder if another driver has it; `log` gets the reason if it takes a while. Locally
    this is flock, so a killed driver leaves nothing behind. On an object store it is a lease, see `leased`: a killed
    driver's is taken over when it has not changed for STALE_SECONDS of our own clock, and a driver that loses its
    lease stops with StoreError.
    """
    me = LockOwner(uuid.uuid4().hex, socket.gethostname(), os.getpid())
    with _flock(store, me) if store.is_local() else leased(store, me, log) as note:

        def name(run: str) -> str:
            note(replace(me, run=run))
            return me.token

        yield name


def lock_owner(store: Store) -> LockOwner | None:
    """Return who wrote the lock last, alive or not; None if nobody did or it cannot be read."""
    try:
        return parse_owner(store.read_bytes(LOCK))
    except StoreError:
        return None


@contextlib.contextmanager
def fenced(store: Store, token: str) -> Iterator[None]:
    """Let a worker write for the driver that holds `token`; raises StoreError if another driver took over since.

    Locally the next driver waits until this block has ended, so that a worker that outlives its killed driver for a
    moment never writes beside the workers of the next one.
    """
    with _shared(store) if store.is_local() else contextlib.nullcontext():
        owner = lock_owner(store)
        if owner is None or owner.token != token:
            raise StoreError(f"{store.root} was taken over by {owner or 'nobody'}; this worker stops")
        yield


@contextlib.contextmanager
def _flock(store: Store, me: LockOwner) -> Iterator[Callable[[LockOwner], None]]:
    with _open(store, LOCK) as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise StoreError(refusal(store, lock_owner(store))) from None

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
    """Wait until the workers of a killed driver are done; those that begin later find the new token and stop."""
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
