"""Any endpoint that speaks OpenAI's chat API: vLLM, SGLang, TGI, a cloud."""

import base64
import functools
import hashlib
import http.client
import json
import os
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import urlsplit

from curate.engines.engine import Completion, Generate, Request
from curate.errors import EngineError, PlanError, SampleError
from curate.pixels import encode_jpeg, encode_png
from curate.stages import Resources

__all__ = ["OpenAIServer"]

JPEG_QUALITY = 95
BACKOFF_SECONDS = 0.5  # doubled with every try, then spread over 50 to 150 %
LONGEST_WAIT_SECONDS = 60.0
PROBE_SECONDS = 10.0


@dataclass(frozen=True)
class OpenAIServer:
    """Asks `{url}/chat/completions`, e.g. `url="http://localhost:8000/v1"`, for answers of `model`.

    The key is read from the environment variable `api_key_env` where the engine runs (a server without keys needs
    none). Pictures travel inside the request, as JPEG of quality 95 or as PNG. What may pass (HTTP 429, 5xx, a lost
    connection, a timeout) is tried `retries` times again; a request that the server refuses, or fails again and again
    while it answers otherwise, becomes `Completion.error`; a server that is gone or refuses the key raises EngineError.

    Identity is `model` and `image_format`; where the server is, is placement. `requests` is how many of them may be
    open at once in this process, whatever number of threads asks.
    """

    url: str = field(repr=False)
    model: str
    api_key_env: str = field(default="OPENAI_API_KEY", repr=False)
    image_format: Literal["jpeg", "png"] = "jpeg"
    requests: int = field(default=32, repr=False)
    timeout_seconds: float = field(default=300.0, repr=False)
    retries: int = field(default=5, repr=False)
    cpus: float = field(default=1.0, repr=False)
    workers: int | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        if urlsplit(self.url).scheme not in ("http", "https") or not urlsplit(self.url).hostname:
            raise PlanError("OpenAIServer: url must look like http://host:8000/v1")
        if self.image_format not in ("jpeg", "png"):
            raise PlanError(f"OpenAIServer: image_format is {self.image_format!r}; it must be 'jpeg' or 'png'")
        if self.requests < 1 or self.retries < 0:
            raise PlanError("OpenAIServer: requests must be at least 1 and retries at least 0")

    @property
    def name(self) -> str:
        return self.model

    @property
    def resources(self) -> Resources:
        return Resources(cpus=self.cpus, workers=self.workers, batch_rows=128, in_flight=3, shards=2)

    def check(self) -> None:
        """Raise PlanError if nothing answers at the address, or it refuses the key."""
        try:
            _Client(self).probe()
        except EngineError as error:
            raise PlanError(str(error)) from error

    def load(self) -> Generate:
        with _STARTING:
            return _running(self)


_STARTING = threading.Lock()


@functools.cache
def _running(config: OpenAIServer) -> "_Client":
    return _Client(config)


class _Client:
    """Threads that ask; at most `requests` at once and as many waiting, so encoded pictures do not pile up."""

    def __init__(self, config: OpenAIServer) -> None:
        self.config = config
        self.host = urlsplit(config.url).netloc.rpartition("@")[2]
        self.threads = ThreadPoolExecutor(config.requests, thread_name_prefix="openai")
        self.slots = threading.BoundedSemaphore(2 * config.requests)

    def __call__(self, requests: Iterable[Request]) -> list[Completion]:
        waiting: list[Future[Completion]] = []
        try:
            for request in requests:
                self.slots.acquire()
                future = self.threads.submit(self._answer, request)
                future.add_done_callback(lambda _: self.slots.release())
                waiting.append(future)
            return [future.result() for future in waiting]
        except BaseException:
            for future in waiting:
                future.cancel()
            raise

    def probe(self) -> None:
        """Raise EngineError unless the server answers; any answer but a refused key will do."""
        try:
            self._send("models", None, PROBE_SECONDS)
        except urllib.error.HTTPError as error:
            if error.code in (401, 403):
                raise self._refused(error) from error
        except (OSError, http.client.HTTPException) as error:
            raise EngineError(f"no server answers at {self.host}: {_sentence(error)}; start it, or fix url") from error

    def _answer(self, request: Request) -> Completion:
        start = time.perf_counter()
        body = json.dumps(_body(self.config, request)).encode()
        try:
            reply = self._send_patiently(request.id, body)
            choice, usage = reply["choices"][0], reply.get("usage") or {}
            text = choice["message"].get("content") or ""
        except (LookupError, TypeError, AttributeError, ValueError) as error:
            trouble = SampleError("engine_failed", f"{self.host} sent no chat completion: {_sentence(error)}")
            return Completion("", None, 0, 0, time.perf_counter() - start, trouble)
        except SampleError as error:
            return Completion("", None, 0, 0, time.perf_counter() - start, error)
        asked, answered = int(usage.get("prompt_tokens") or 0), int(usage.get("completion_tokens") or 0)
        return Completion(text, choice.get("finish_reason"), asked, answered, time.perf_counter() - start)

    def _send_patiently(self, number: str, body: bytes) -> Any:
        """Return the server's reply; raises SampleError when this request cannot be answered."""
        for attempt in range(self.config.retries + 1):
            try:
                return self._send("chat/completions", body, self.config.timeout_seconds)
            except urllib.error.HTTPError as error:
                self._raise_if_final(error)
                trouble, asked = f"HTTP {error.code}", error.headers.get("Retry-After")
            except (OSError, http.client.HTTPException) as error:
                trouble, asked = _sentence(error), None
            if attempt < self.config.retries:
                time.sleep(_pause(number, attempt, asked))
        self.probe()
        raise SampleError("engine_failed", f"{self.host} failed {self.config.retries + 1} times, last with: {trouble}")

    def _raise_if_final(self, error: urllib.error.HTTPError) -> None:
        if error.code in (401, 403):
            raise self._refused(error) from error
        if error.code == 404:
            raise EngineError(f"{self.host} has no model {self.config.model!r}, or no chat API below url") from error
        if error.code < 500 and error.code not in (408, 409, 425, 429):
            with error:
                said = error.read(2000).decode("utf-8", "replace")
            raise SampleError("engine_rejected", f"HTTP {error.code}: {' '.join(said.split())[:400]}") from error

    def _refused(self, error: urllib.error.HTTPError) -> EngineError:
        return EngineError(
            f"{self.host} refuses the key (HTTP {error.code}); set the environment variable {self.config.api_key_env}"
        )

    def _send(self, path: str, body: bytes | None, timeout: float) -> Any:
        headers = {"Content-Type": "application/json"}
        if key := os.environ.get(self.config.api_key_env):
            headers["Authorization"] = f"Bearer {key}"
        request = urllib.request.Request(f"{self.config.url.rstrip('/')}/{path}", body, headers)
        with urllib.request.urlopen(request, timeout=timeout) as reply:
            return json.load(reply)


def _body(config: OpenAIServer, request: Request) -> dict[str, Any]:
    content: list[dict[str, Any]] = [{"type": "text", "text": request.prompt}]
    if request.image is not None:
        jpeg = config.image_format == "jpeg"
        data = encode_jpeg(request.image, JPEG_QUALITY) if jpeg else encode_png(request.image)
        uri = f"data:image/{config.image_format};base64,{base64.b64encode(data).decode()}"
        content.insert(0, {"type": "image_url", "image_url": {"url": uri}})
    system = [{"role": "system", "content": request.system}] if request.system else []
    return {
        "model": config.model,
        "messages": [*system, {"role": "user", "content": content}],
        "max_tokens": request.max_tokens,
        "temperature": request.temperature,
        "top_p": request.top_p,
        "seed": request.seed,
    }


def _pause(number: str, attempt: int, asked: str | None) -> float:
    """Return how many seconds to wait: what the server asks for, or a doubling time spread by a hash of the request."""
    if asked and asked.isdigit():
        return min(float(asked), LONGEST_WAIT_SECONDS)
    spread = hashlib.blake2b(f"{number}\0{attempt}".encode(), digest_size=2).digest()
    return min(BACKOFF_SECONDS * (1 << attempt), LONGEST_WAIT_SECONDS) * (0.5 + int.from_bytes(spread) / 65_536)


def _sentence(error: BaseException) -> str:
    return " ".join(str(error).split())[:300] or type(error).__name__
