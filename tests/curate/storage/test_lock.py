"""One driver at a time; a killed one leaves nothing that stops the next."""

import os
import signal
import socket
import subprocess
import sys
import uuid

import pytest

from curate.errors import StoreError
from curate.storage import lease, lock
from curate.storage.lock import fenced, lock_dataset, lock_owner
from curate.storage.store import Store, remove_orphans

HOLD = "import sys, time; from curate.storage.lock import lock_dataset; from curate.storage.store import Store\n"


@pytest.fixture(params=["local", "memory"])
def store(request, tmp_path, monkeypatch):
    monkeypatch.setattr(lease, "BEAT_SECONDS", 0.1)
    monkeypatch.setattr(lease, "STALE_SECONDS", 0.5)
    return Store(str(tmp_path / "out") if request.param == "local" else f"memory://lock-{uuid.uuid4().hex}")


def quiet(message):
    return None


def other_process(store, block):
    """Start a process that enters `block` (with `store`) and then says so; return it."""
    code = f"{HOLD}store = Store({store.root!r})\nwith {block}:\n    print('in', flush=True); time.sleep(60)"
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    with process.stdout as lines:
        assert lines.readline() == "in\n"
    return process


def test_the_second_driver_is_refused_with_one_sentence_that_names_the_first(store):
    with lock_dataset(store, quiet) as name:
        name("000007-test")
        us = rf"run 000007-test \(pid {os.getpid()} on {socket.gethostname()}\)"
        with pytest.raises(StoreError, match=us), lock_dataset(store, quiet):
            pass
    with lock_dataset(store, quiet):
        pass


def test_a_killed_driver_leaves_no_lock(tmp_path):
    store = Store(str(tmp_path))
    process = other_process(store, "lock_dataset(store, print) as name")
    with pytest.raises(StoreError, match=f"pid {process.pid} "), lock_dataset(store, quiet):
        pass
    process.send_signal(signal.SIGKILL)
    process.wait()

    with lock_dataset(store, quiet):
        pass


def test_a_lease_is_taken_over_only_when_its_counter_stands_still(monkeypatch):
    monkeypatch.setattr(lease, "STALE_SECONDS", 0.5)
    monkeypatch.setattr(lease, "BEAT_SECONDS", 0.1)
    store, heard = Store(f"memory://lease-{uuid.uuid4().hex}"), []
    store.write_bytes("lock", b'{"token": "x", "host": "gone", "pid": 1, "run": "r", "beat": 3}')

    with lock_dataset(store, heard.append) as name:
        token = name("mine")
        assert lock_owner(store).token == token
    assert "leased to run r (pid 1 on gone)" in heard[0]
    assert lock_owner(store) is None


def test_a_worker_of_an_earlier_driver_stops_by_itself(store):
    with lock_dataset(store, quiet) as name:
        old = name("first")
        with fenced(store, old):
            pass
    with lock_dataset(store, quiet) as name:
        name("second")
        with pytest.raises(StoreError, match="was taken over by run second"), fenced(store, old):
            pass


def test_the_next_driver_waits_for_the_workers_of_a_killed_one(tmp_path, monkeypatch):
    monkeypatch.setattr(lock, "DRAIN_SECONDS", 0.3)
    store = Store(str(tmp_path))
    with lock_dataset(store, quiet) as name:
        token = name("first")
    still = pytest.raises(StoreError, match="workers of a stopped run still write")
    with fenced(store, token), still, lock_dataset(store, quiet):
        pass


def test_part_files_of_killed_writers_are_never_read_and_are_removed(tmp_path):
    store = Store(str(tmp_path))
    store.write_bytes("columns/a/x.parquet", b"whole")
    (tmp_path / "columns" / "a" / "y.parquet.12345678.part").write_bytes(b"half")

    assert store.list("columns/a") == ["x.parquet"]
    assert remove_orphans(store) == 1
    assert remove_orphans(store) == 0
    assert (tmp_path / "columns" / "a" / "x.parquet").exists()
