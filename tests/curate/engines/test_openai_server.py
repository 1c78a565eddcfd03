import base64
import json
import os
import pickle
import subprocess
import sys
import time
import urllib.request
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from curate.engines.engine import Engine, Request, generate
from curate.engines.openai_server import OpenAIServer
from curate.errors import EngineError, PlanError
from tests.support.endpoints import Behaviour, free_port, serving

VLM = Path(__file__).parents[3] / "nano" / "vlm"
IMAGE = np.full((28, 56, 3), 200, np.uint8)


def scripted():
    """A server whose prompts say which statuses to give before the answer: `503 429 late`."""
    tries = Counter()

    def how(text, number):
        tries[text] += 1
        *statuses, last = text.split(" ")
        if tries[text] <= len(statuses):
            return int(statuses[tries[text] - 1])
        return (200, {"hello": 1}) if last == "nonsense" else None

    return Behaviour(how, seconds=0.02)


@pytest.fixture(autouse=True)
def short_waits(monkeypatch):
    monkeypatch.setattr("curate.engines.servers.BACKOFF_SECONDS", 0.01)


def test_it_is_an_engine_whose_repr_holds_no_address_and_no_secret(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    engine = OpenAIServer("http://host:1/v1?token=hush", "m")
    assert isinstance(engine, Engine)
    assert repr(engine) == "OpenAIServer(model='m', image_format='jpeg')"
    assert pickle.loads(pickle.dumps(engine)) == engine


@pytest.mark.parametrize("url", ["localhost:8000", "ftp://host/v1", "http://", "http://host:99999/v1"])
def test_a_url_that_is_none_is_refused(url):
    with pytest.raises(PlanError, match="url"):
        OpenAIServer(url, "m")


@pytest.mark.parametrize("kind", ["jpeg", "png"])
def test_the_request_holds_system_image_text_and_key(monkeypatch, kind):
    monkeypatch.setenv("MY_KEY", "sk-1")
    server = scripted()
    with serving(server) as (url,):
        engine = OpenAIServer(url, "m", "MY_KEY", image_format=kind)
        (answer,) = generate(engine, [Request("u", "fine", IMAGE, system="Be brief.", max_tokens=9, seed=4)])
    headers, body = server.headers[0], server.bodies[0]
    assert (answer.text, answer.prompt_tokens, answer.completion_tokens) == ("re fine", 7, 3)
    assert headers["Authorization"] == "Bearer sk-1"
    assert (body["max_tokens"], body["seed"], body["temperature"]) == (9, 4, 0.0)
    assert body["messages"][0] == {"role": "system", "content": "Be brief."}
    image, text = body["messages"][1]["content"]
    assert text == {"type": "text", "text": "fine"}
    head, data = image["image_url"]["url"].split(",")
    assert head == f"data:image/{kind};base64"
    assert base64.b64decode(data)[:3] in (b"\xff\xd8\xff", b"\x89PN")


def test_what_may_pass_is_tried_again_and_order_is_kept():
    with serving(scripted()) as (url,):
        prompts = ("503 429 500 late", "soon")
        answers = generate(OpenAIServer(url, "m", retries=3), (Request(str(i), p) for i, p in enumerate(prompts)))
    assert [answer.text for answer in answers] == [f"re {prompt}" for prompt in prompts]


@pytest.mark.parametrize(
    ("prompt", "code"),
    [
        ("400 no", "engine_rejected"),
        ("413 no", "engine_rejected"),
        ("307 no", "engine_rejected"),
        ("nonsense", "engine_failed"),
        ("503 503 503 no", "engine_failed"),
    ],
)
def test_a_request_that_fails_alone_is_an_error_row(prompt, code):
    with serving(scripted()) as (url,):
        bad, good = generate(OpenAIServer(url, "m", retries=1), [Request("0", prompt), Request("1", "good")])
    assert (bad.text, bad.error.code) == ("", code)
    assert (good.text, good.error) == ("re good", None)


@pytest.mark.parametrize(("status", "hint"), [(401, "MY_KEY"), (404, "'m'")])
def test_a_wrong_key_or_model_stops_the_run(status, hint):
    with serving(scripted()) as (url,), pytest.raises(EngineError, match=hint):
        generate(OpenAIServer(url, "m", "MY_KEY"), [Request("0", f"{status} no")])


def test_a_dead_endpoint_stops_the_run_and_the_check():
    engine = OpenAIServer(f"http://127.0.0.1:{free_port()}/v1", "m", retries=1)
    with pytest.raises(EngineError, match="no server answers"):
        generate(engine, [Request("0", "a")])
    with pytest.raises(PlanError, match="no server answers"):
        engine.check()


def test_threads_share_one_bound_on_open_requests():
    server = scripted()
    with serving(server) as (url,):
        engine = OpenAIServer(url, "m", requests=3)
        with ThreadPoolExecutor(4) as threads:
            parts = list(
                threads.map(
                    partial(generate, engine), [[Request(f"{i}", f"{k}-{i}") for i in range(8)] for k in range(4)]
                )
            )
    assert [[answer.text for answer in part] for part in parts] == [[f"re {k}-{i}" for i in range(8)] for k in range(4)]
    assert server.most_open <= 3


@pytest.mark.slow
@pytest.mark.models
@pytest.mark.timeout(600)
def test_a_real_vllm_server_captions_an_image(tmp_path):
    port = free_port()
    command = [sys.executable, "-m", "vllm.entrypoints.openai.api_server", "--model", str(VLM), "--port", str(port)]
    command += ["--host", "127.0.0.1", "--served-model-name", "nano", "--dtype", "bfloat16", "--max-model-len", "2048"]
    command += ["--enforce-eager", "--max-num-seqs", "8", "--limit-mm-per-prompt", '{"image": 1}']
    environment = os.environ | {"VLLM_CPU_KVCACHE_SPACE": "1", "VLLM_PLUGINS": "", "VLLM_NO_USAGE_STATS": "1"}
    url = f"http://127.0.0.1:{port}"
    with (tmp_path / "log").open("wb") as log:
        server = subprocess.Popen(command, stdout=log, stderr=log, env=environment)
        try:
            wait_until_healthy(server, url)
            engine = OpenAIServer(f"{url}/v1", "nano", requests=4, image_format="png")
            engine.check()
            image = np.full((112, 112, 3), 120, np.uint8)
            fine = [Request(str(i), "Describe the image in detail.", image, max_tokens=24) for i in range(6)]
            long = Request("long", "word " * 3000, image)
            picked = Request("pick", "Is there a circle?", image, choices=("perhaps", "never"))
            schema = '{"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}'
            count = Request("count", "How many?", image, json_schema=schema, max_tokens=60)
            answers = generate(engine, [*fine, long, picked, count])
        finally:
            server.terminate()
            server.wait(60)
    assert len({answer.text for answer in answers[:6]}) == 1
    assert answers[0].text
    assert all(answer.completion_tokens == 24 and answer.finish_reason == "length" for answer in answers[:6])
    assert answers[0].prompt_tokens > 16  # the 112 px image alone is 16 tokens
    assert answers[6].error.code == "engine_rejected"
    assert answers[7].text in ("perhaps", "never")
    assert 0 < answers[7].confidence < 1
    assert answers[8].finish_reason == "length" or set(json.loads(answers[8].text)) == {"n"}


def wait_until_healthy(server, url):
    deadline = time.monotonic() + 400
    while time.monotonic() < deadline and server.poll() is None:
        try:
            with urllib.request.urlopen(f"{url}/health", timeout=5):
                return
        except OSError:
            time.sleep(1)
    raise AssertionError(f"the server did not start (exit code {server.poll()})")
