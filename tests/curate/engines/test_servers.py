import random
from collections import Counter

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from curate.engines.engine import Request, generate
from curate.engines.openai_server import OpenAIServer
from curate.errors import EngineError, PlanError
from tests.support.endpoints import Behaviour, free_port, serving


@pytest.fixture(autouse=True)
def short_waits(monkeypatch):
    monkeypatch.setattr("curate.engines.servers.BACKOFF_SECONDS", 0.02)
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)


def ask(engine, count=24):
    return generate(engine, (Request(str(i), f"q{i}") for i in range(count)))


def texts(answers):
    return [answer.text or answer.error.code for answer in answers]


def engine(urls, **options):
    return OpenAIServer(urls, "m", **{"requests": 4, "timeout_seconds": 0.5, **options})


def test_several_urls_are_placement_and_must_differ():
    both = OpenAIServer(("http://a/v1", "http://b/v1"), "m")
    assert repr(both) == repr(OpenAIServer("http://a/v1", "m"))
    for bad in ((), ("http://a/v1", "http://a/v1"), ("http://a/v1", "b")):
        with pytest.raises(PlanError, match="url"):
            OpenAIServer(bad, "m")


def test_load_is_spread_and_bounded_at_each_server():
    both = Behaviour(seconds=0.01), Behaviour(seconds=0.01)
    with serving(*both) as urls:
        assert texts(ask(engine(urls, requests=3), 40)) == [f"re q{i}" for i in range(40)]
    assert min(len(each.paid) for each in both) >= 12
    assert max(each.most_open for each in both) <= 3


def test_connections_are_kept_alive():
    one = Behaviour()
    with serving(one) as (url,):
        assert texts(ask(engine(url, requests=3), 40)) == [f"re q{i}" for i in range(40)]
    assert one.connections <= 3


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.sampled_from(["429", "503", "500", "drop", "dies", "dead"]), min_size=1, max_size=2), st.integers())
def test_beside_one_good_server_every_request_is_answered_once_and_in_order(kinds, seed):
    coin = random.Random(seed)

    def how(kind):
        if kind in ("429", "503", "500"):
            return lambda text, number: int(kind) if coin.random() < 0.5 else None
        if kind == "drop":
            return lambda text, number: "drop" if coin.random() < 0.2 else None
        return lambda text, number: "drop" if kind == "dead" or number > 5 else None

    good, *others = Behaviour(seconds=0.002), *(Behaviour(how(kind)) for kind in kinds)
    with serving(*others, good) as urls:
        answers = ask(engine(urls, requests=2, retries=20))
    assert texts(answers) == [f"re q{i}" for i in range(24)]


def test_a_dead_server_is_left_alone():
    bad, good = Behaviour(lambda text, number: "drop"), Behaviour(seconds=0.005)
    with serving(bad, good) as urls:
        assert texts(ask(engine(urls), 60)) == [f"re q{i}" for i in range(60)]
    assert len(bad.received) <= 10


def test_a_server_that_hangs_costs_its_open_requests_one_timeout():
    stuck, good = Behaviour(lambda text, number: "hang"), Behaviour()
    with serving(stuck, good) as urls:
        assert texts(ask(engine(urls, timeout_seconds=0.2), 30)) == [f"re q{i}" for i in range(30)]
    assert len(stuck.received) <= 8


def test_a_server_that_comes_back_is_probed_and_used_again():
    back = Behaviour(lambda text, number: "drop" if number <= 2 else None)  # three would be one request's end, at times
    with serving(back) as (url,):
        answers = ask(engine(url, requests=2), 20)
        assert texts(answers) == [f"re q{i}" for i in range(20)]
    assert back.probes >= 1


def test_only_when_all_are_gone_the_run_stops():
    dead = [f"http://127.0.0.1:{free_port()}/v1" for _ in range(2)]
    with serving(Behaviour()) as (url,):
        assert texts(ask(engine((*dead, url)))) == [f"re q{i}" for i in range(24)]
        engine((*dead, url)).check()
    with pytest.raises(EngineError, match=r"no server answers at 127.*; 127.*start it"):
        ask(engine(tuple(dead), retries=2))
    with pytest.raises(PlanError, match="no server answers"):
        engine(tuple(dead)).check()


@pytest.mark.parametrize("status", [429, 500, 503, 529])
def test_what_a_server_says_it_did_not_answer_is_sent_again_even_with_a_key(monkeypatch, status):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-1")
    shy = Behaviour(lambda text, number: status if number <= 2 else None)
    with serving(shy) as (url,):
        assert texts(ask(engine(url), 6)) == [f"re q{i}" for i in range(6)]
    assert Counter(shy.paid) == {f"q{i}": 1 for i in range(6)}


@pytest.mark.parametrize("what", ["drop", "hang", 502, 504])
def test_with_a_key_no_request_is_paid_twice(monkeypatch, what):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-1")
    flaky = Behaviour(lambda text, number: what if number <= 2 else None)
    with serving(flaky, Behaviour()) as urls:
        answers = texts(ask(engine(urls, timeout_seconds=0.2), 20))
    assert set(Counter(flaky.received).values()) == {1}
    assert 1 <= answers.count("engine_unsure") <= 2
    assert [a for i, a in enumerate(answers) if a not in (f"re q{i}", "engine_unsure")] == []


@pytest.mark.parametrize(("key", "resend", "again"), [("", None, True), ("k", None, False), ("k", True, True)])
def test_who_pays_decides_whether_a_lost_request_is_sent_again(monkeypatch, key, resend, again):
    monkeypatch.setenv("OPENAI_API_KEY", key)
    once = Behaviour(lambda text, number: "drop" if number == 1 else None)
    with serving(once) as (url,):
        assert texts(ask(engine(url, resend=resend), 1)) == (["re q0"] if again else ["engine_unsure"])
    keys = {headers["Idempotency-Key"] for headers in once.headers}
    assert len(keys) == 1


def test_a_request_that_kills_servers_does_not_kill_all_of_them():
    def how(text, number):
        return "drop" if text == "q5" else None

    some = [Behaviour(how) for _ in range(4)]
    with serving(*some) as urls:
        answers = texts(ask(engine(urls)))
    assert answers == [f"re q{i}" if i != 5 else "engine_failed" for i in range(24)]
    assert sum(each.received.count("q5") for each in some) == 3
