"""The lease of a dataset on S3: of many that want it exactly one has it, and who loses it stops."""

import json
import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from curate.errors import StoreError
from curate.storage import lease
from curate.storage.lock import fenced, lock_dataset, lock_owner
from curate.storage.shared_file import SharedFile
from curate.storage.store import Store

ROUNDS = 10
DEAD = b'{"token": "x", "host": "gone", "pid": 1, "run": "r", "beat": 3}'
DRIVER = """
import sys, time
from curate.storage import lease
from curate.storage.lock import lock_dataset
from curate.storage.store import Store

lease.BEAT_SECONDS = 0.2
with lock_dataset(Store(sys.argv[1]), print) as name:
    name("first")
    print("in", flush=True)
    time.sleep(60)
print("came to its end")
"""


@pytest.fixture
def store(bucket, monkeypatch):
    monkeypatch.setattr(lease, "BEAT_SECONDS", 0.1)
    monkeypatch.setattr(lease, "STALE_SECONDS", 1.0)
    return Store(f"{bucket}/out")


def quiet(message):
    return None


def at_once(store, count=2):
    """Let some drivers enter the lock at once; return the tokens of those that got in, and the others' sentences."""
    start, inside, outside = threading.Barrier(count), [], []
    decided = threading.Semaphore(0)
    leave = threading.Event()

    def driver(number):
        start.wait()
        try:
            with lock_dataset(store, quiet) as name:
                inside.append(name(f"run-{number}"))
                decided.release()
                leave.wait()
        except StoreError as error:
            outside.append(str(error))
            decided.release()

    threads = [threading.Thread(target=driver, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for _ in threads:
        decided.acquire()
    holder = lock_owner(store)
    leave.set()
    for thread in threads:
        thread.join()
    assert [holder.token] == inside
    return inside, outside


def test_of_two_that_start_at_once_exactly_one_wins(store):
    for _ in range(ROUNDS):
        inside, outside = at_once(store)
        assert len(inside) == 1
        assert ["is being written by" in sentence for sentence in outside] == [True]
        assert lock_owner(store) is None


def test_of_two_that_start_at_once_on_a_new_folder_exactly_one_wins(bucket, store):
    for number in range(ROUNDS // 2):
        inside, _ = at_once(Store(f"{bucket}/new-{number}"))
        assert len(inside) == 1


def test_of_three_takers_of_one_stale_lease_exactly_one_wins(store):
    for _ in range(2):
        store.write_bytes("lock", DEAD)
        inside, outside = at_once(store, 3)
        assert len(inside) == 1
        assert len(outside) == 2


def test_a_dead_lease_is_taken_over_and_a_living_one_is_not(store):
    messages = []
    store.write_bytes("lock", DEAD)
    with lock_dataset(store, messages.append) as name:
        token = name("mine")
        with fenced(store, token):
            assert lock_owner(store).run == "mine"
        with pytest.raises(StoreError, match="is being written by run mine"), lock_dataset(store, quiet):
            pass
    assert "leased to run r (pid 1 on gone)" in messages[0]
    assert len(messages) == 1


def test_a_lease_that_is_freed_while_another_waits_is_taken_at_once(store, monkeypatch):
    monkeypatch.setattr(lease, "STALE_SECONDS", 30.0)
    store.write_bytes("lock", DEAD)
    threading.Timer(1.0, store.write_bytes, ("lock", lease.FREE)).start()
    start = time.monotonic()
    with lock_dataset(store, quiet) as name:
        name("mine")
    assert time.monotonic() - start < 15


@pytest.mark.parametrize("failure", [pytest.param("busy", marks=pytest.mark.slow), "reset", "lost"])
def test_passing_failures_of_the_server_cost_no_lease(store, s3, failure):
    with lock_dataset(store, quiet) as name:
        name("mine")
        s3.failure, s3.every = failure, 3
        time.sleep(1.5)
        s3.be_well()
        assert lock_owner(store).run == "mine"
    s3.failure, s3.every = failure, 2
    with lock_dataset(store, quiet) as name:
        name("next")
    s3.be_well()
    assert lock_owner(store) is None


def test_a_driver_that_loses_its_lease_stops_with_one_sentence_even_while_it_waits(store):
    start = time.monotonic()
    with pytest.raises(StoreError, match=r"was taken over by run r \(pid 1 on gone\)") as caught:  # noqa: PT012, SIM117
        with lock_dataset(store, quiet) as name:
            name("mine")
            store.write_bytes("lock", DEAD)
            time.sleep(60)

    assert time.monotonic() - start < 20
    assert "\n" not in str(caught.value)
    assert store.read_bytes("lock") == DEAD


def test_a_thread_that_loses_its_lease_is_told_at_the_end(store):
    sentences = []

    def driver():
        try:
            with lock_dataset(store, quiet) as name:
                name("mine")
                store.write_bytes("lock", DEAD)
                time.sleep(1)
        except StoreError as error:
            sentences.append(str(error))

    thread = threading.Thread(target=driver)
    thread.start()
    thread.join()
    assert len(sentences) == 1
    assert "was taken over by run r" in sentences[0]


def test_a_suspended_driver_stops_when_it_wakes_up_after_another_took_over(store):
    process = subprocess.Popen(
        [sys.executable, "-c", DRIVER, store.root], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "in\n"
    process.send_signal(signal.SIGSTOP)
    with lock_dataset(store, quiet) as name:
        name("second")
        process.send_signal(signal.SIGCONT)
        out, err = process.communicate(timeout=60)
        assert lock_owner(store).run == "second"

    assert process.returncode == 1
    assert out == ""
    assert err.strip().splitlines()[-1].startswith(f"curate.errors.StoreError: {store.root} was taken over by run sec")


def test_an_interrupt_of_the_user_passes_and_frees_the_lease(store):
    def interrupted():
        with lock_dataset(store, quiet):
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(60)

    before = signal.getsignal(signal.SIGURG)
    ignored = signal.signal(signal.SIGINT, signal.default_int_handler)  # a job in the background ignores it
    try:
        with pytest.raises(KeyboardInterrupt):
            interrupted()
    finally:
        signal.signal(signal.SIGINT, ignored)
    assert lock_owner(store) is None
    assert signal.getsignal(signal.SIGURG) == before


def test_a_shared_file_is_created_once_and_replaced_only_as_it_was_read(store):
    file = SharedFile(store, "f")
    assert file.read() is None
    assert file.create(b"one")
    assert not file.create(b"two")
    first = file.read()
    assert file.replace(b"three", first)
    assert not file.replace(b"four", first)
    assert file.read().data == b"three"
    store.remove("f")
    assert not file.replace(b"five", first)


def test_many_that_count_on_one_shared_file_lose_no_count(store):
    file = SharedFile(store, "count")
    file.create(json.dumps({"n": 0, "by": "start"}).encode())

    def count(name):
        for step in range(5):
            while True:
                old = file.read()
                n = json.loads(old.data)["n"] + 1
                if file.replace(json.dumps({"n": n, "by": f"{name}-{step}"}).encode(), old):
                    break

    threads = [threading.Thread(target=count, args=(name,)) for name in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert json.loads(file.read().data)["n"] == 20
