import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import pytest

from curate.engines.live import live


@dataclass(frozen=True)
class Config:
    name: str


def test_an_equal_configuration_is_started_once_whoever_asks_at_the_same_time():
    started, barrier = [], threading.Barrier(4)

    def start(config):
        started.append(config)
        time.sleep(0.05)
        return object()

    def ask(_):
        barrier.wait()
        return live(Config("once"), start)

    with ThreadPoolExecutor(4) as threads:
        running = set(threads.map(ask, range(4)))
    assert len(running) == len(started) == 1
    assert live(Config("other"), start) not in running


def test_what_fails_to_start_is_tried_again_by_the_next_caller():
    starts = []

    def start(config):
        starts.append(config)
        if len(starts) == 1:
            raise OSError("not yet")
        return "running"

    with pytest.raises(OSError, match="not yet"):
        live(Config("late"), start)
    assert [live(Config("late"), start) for _ in range(2)] == ["running"] * 2
    assert len(starts) == 2


def test_one_engine_may_start_another_that_it_wraps():
    assert live(Config("outer"), lambda outer: live(Config("inner"), lambda inner: [inner])) == [Config("inner")]
