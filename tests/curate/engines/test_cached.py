import os
import pickle
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from curate.engines.answer_store import request_digest
from curate.engines.cached import Cached
from curate.engines.engine import Engine, Request, generate
from curate.engines.fake import FakeEngine
from curate.engines.openai_server import OpenAIServer
from curate.errors import EngineError, PlanError, SampleError
from curate.experts.dense_caption import DenseCaption
from curate.pipeline import engine_of
from tests.support.endpoints import Behaviour, serving

IMAGE = np.arange(28 * 56 * 3, dtype=np.uint8).reshape(28, 56, 3)
ASKED = []


def reply(request):
    ASKED.append(request.prompt)
    if request.prompt == "bad":
        raise SampleError("engine_rejected", "no")
    return f"re {request.prompt}", 0.5


@pytest.fixture
def cached(tmp_path):
    ASKED.clear()
    return Cached(FakeEngine(reply), str(tmp_path / "cache"))


def requests(texts):
    return [Request(str(i), text) for i, text in enumerate(texts)]


def texts(answers):
    return [answer.text for answer in answers]


def test_it_is_an_engine_with_the_identity_of_the_one_inside(cached):
    inside = OpenAIServer("http://host/v1", "m")
    engine = Cached(inside, "/somewhere")
    assert isinstance(engine, Engine)
    assert pickle.loads(pickle.dumps(engine)) == engine
    assert (repr(engine), engine.name, engine.resources) == (repr(inside), "m", inside.resources)
    assert engine_of(DenseCaption(engine)) is engine
    assert repr(DenseCaption(engine)) == repr(DenseCaption(inside))
    cached.check()


@pytest.mark.parametrize("folder", ["", "s3://bucket/cache"])
def test_the_folder_must_be_local(folder):
    with pytest.raises(PlanError, match="local disk"):
        Cached(FakeEngine(reply), folder)


def test_what_was_answered_is_not_asked_again_and_what_failed_is(cached):
    first = generate(cached, requests(["a", "bad", "b", "a"]))
    assert ASKED == ["a", "bad", "b"]
    second = generate(cached, requests(["c", "b", "bad", "a"]))
    assert ASKED == ["a", "bad", "b", "c", "bad"]
    assert texts(first) == ["re a", "", "re b", "re a"]
    assert texts(second) == ["re c", "re b", "", "re a"]
    assert (second[1].confidence, second[1].completion_tokens, second[1].finish_reason) == (0.5, 2, "stop")
    assert second[2].error.code == "engine_rejected"


@pytest.mark.parametrize(
    "other",
    [
        {"prompt": "q"},
        {"system": "s"},
        {"image": None},
        {"image": IMAGE[::-1]},
        {"image": IMAGE.reshape(56, 28, 3)},
        {"max_tokens": 9},
        {"temperature": 0.5},
        {"top_p": 0.5},
        {"seed": 9, "temperature": 0.7},
        {"choices": ("a",)},
        {"json_schema": "{}"},
    ],
)
def test_all_that_decides_an_answer_is_in_the_digest(other):
    one = Request("0", "p", IMAGE, temperature=0.7 if "seed" in other else 0.0)
    assert request_digest("e", one) != request_digest("e", replace(one, **other))
    assert request_digest("e", one) == request_digest("e", replace(one, id="else", image=IMAGE.copy()))
    assert request_digest("e", one) != request_digest("f", one)


def test_the_seed_of_a_greedy_request_decides_nothing():
    assert request_digest("e", Request("0", "p", seed=1)) == request_digest("e", Request("0", "p", seed=2))


def test_hits_and_misses_flow_lazily_and_in_order(cached):
    generate(cached, requests(["b", "d"]))
    ASKED.clear()

    def source():
        for i, request in enumerate(requests("abcde")):
            assert list("ace"[: (i + 1) // 2]) == ASKED
            yield request

    assert texts(generate(cached, source())) == [f"re {c}" for c in "abcde"]


def test_each_answer_is_kept_as_it_comes_and_equal_requests_in_work_are_asked_once(tmp_path):
    server = Behaviour(seconds=0.02)
    with serving(server) as (url,):
        engine = Cached(OpenAIServer(url, "m", requests=4), str(tmp_path))
        with ThreadPoolExecutor(3) as threads:
            parts = list(threads.map(partial(generate, engine), [requests(f"q{i}" for i in range(12))] * 3))
        assert [texts(part) for part in parts] == [[f"re q{i}" for i in range(12)]] * 3
    assert sorted(server.paid) == sorted(f"q{i}" for i in range(12))


def test_a_source_that_breaks_leaves_what_was_asked_for_the_next_run(tmp_path):
    server = Behaviour()
    with serving(server) as (url,):
        engine = Cached(OpenAIServer(url, "m"), str(tmp_path))

        def source():
            yield from requests("ab")
            raise OSError("the disk is gone")

        with pytest.raises(OSError, match="disk is gone"):
            generate(engine, source())
        assert texts(generate(engine, requests("abc"))) == ["re a", "re b", "re c"]
    assert sorted(server.paid) == ["a", "b", "c"]


SCRIPT = """
import sys
from curate.engines.cached import Cached
from curate.engines.engine import Request, generate
from curate.engines.openai_server import OpenAIServer
url, folder, first, stop = sys.argv[1:]
engine = Cached(OpenAIServer(url, "m", requests=4), folder)
answers = generate(engine, (Request(str(i), f"q{i}") for i in range(int(first), int(stop))))
assert [a.text for a in answers] == [f"re q{i}" for i in range(int(first), int(stop))], answers
"""


def start(url, folder, first, stop):
    return subprocess.Popen([sys.executable, "-c", SCRIPT, url, str(folder), str(first), str(stop)])


def test_a_killed_run_pays_only_for_the_rest(tmp_path):
    server = Behaviour(seconds=0.02)
    with serving(server) as (url,):
        killed = start(url, tmp_path, 0, 60)
        deadline = time.monotonic() + 30
        while len(server.paid) < 20 and time.monotonic() < deadline:
            time.sleep(0.005)
        os.kill(killed.pid, signal.SIGKILL)
        killed.wait()
        time.sleep(0.1)
        before = len(server.paid)
        assert start(url, tmp_path, 0, 60).wait(30) == 0
    again = len(server.paid) - 60
    assert 20 <= before < 60
    assert again <= 4 + 2  # those that were open when it was killed, and what came in the last milliseconds


def test_several_processes_share_a_cache_that_none_has_made_yet(tmp_path):
    server = Behaviour()
    with serving(server) as (url,):
        runs = [start(url, tmp_path, first, first + 30) for first in (0, 30, 60)]
        assert [run.wait(30) for run in runs] == [0, 0, 0]
        assert start(url, tmp_path, 0, 90).wait(30) == 0
    assert len(server.paid) == 90


@pytest.mark.parametrize("content", [b"no database at all" * 100, b"SQLite format 3\0" + b"\xff" * 5000])
def test_a_damaged_cache_is_one_sentence(tmp_path, content):
    (tmp_path / "answers.sqlite").write_bytes(content)
    engine = Cached(FakeEngine(reply), str(tmp_path))
    with pytest.raises(PlanError, match=r"answers\.sqlite cannot be used .* delete it"):
        engine.check()
    with pytest.raises(EngineError, match="delete it"):
        engine.start()


def test_a_cache_damaged_while_it_is_used_stops_the_run(cached):
    generate(cached, requests("a"))
    with sqlite3.connect(Path(cached.folder, "answers.sqlite")) as file:
        while not file.execute("SELECT * FROM answers").fetchall():
            time.sleep(0.005)
        file.execute("DROP TABLE answers")
    with pytest.raises(EngineError, match="delete it"):
        generate(cached, requests("a"))


LOCKED = """
import sqlite3, sys, time
from curate.engines import answer_store
from curate.engines.cached import Cached
from curate.engines.engine import Request, generate
from curate.engines.fake import FakeEngine
answer_store.BUSY_SECONDS = 0.05
engine = Cached(FakeEngine(lambda request: request.prompt), sys.argv[1])
engine.start()
file = sqlite3.connect(sys.argv[1] + "/answers.sqlite")
file.execute("BEGIN IMMEDIATE")
generate(engine, [Request("0", "a")])
time.sleep(0.5)
generate(engine, [Request("1", "b")])
"""


def test_an_answer_that_cannot_be_written_stops_the_run(tmp_path):
    done = subprocess.run([sys.executable, "-c", LOCKED, str(tmp_path)], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "EngineError" in done.stderr
    assert "cannot be used (database is locked)" in done.stderr


def test_a_text_of_half_a_character_survives(tmp_path):
    engine = Cached(FakeEngine(lambda request: "\ud83d odd", "odd"), str(tmp_path))
    assert generate(engine, requests("a"))[0].text == "\ud83d odd"
    assert generate(engine, requests("a"))[0].text == "\ud83d odd"


def test_threads_that_write_and_read_at_once_agree(tmp_path):
    engine = Cached(FakeEngine(lambda request: f"re {request.prompt}", "echo"), str(tmp_path))
    barrier = threading.Barrier(4)

    def work(k):
        barrier.wait()
        return texts(generate(engine, requests(f"q{(i + k) % 50}" for i in range(100))))

    with ThreadPoolExecutor(4) as threads:
        parts = list(threads.map(work, range(4)))
    assert parts == [[f"re q{(i + k) % 50}" for i in range(100)] for k in range(4)]
