"""Any endpoint that speaks OpenAI's chat API: vLLM, SGLang, TGI, a cloud; one of it or several."""

import functools
import hashlib
import http.client
import json
import math
import os
import threading
import time
import urllib.error
import urllib.request
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import urlsplit

from curate.engines.chat_api import chat_body, completion, refused_part
from curate.engines.engine import Completion, Generate, Request, generate
from curate.engines.live import live
from curate.engines.servers import Failure, Server, Servers, pause
from curate.errors import EngineError, PlanError, SampleError
from curate.stages import Resources

__all__ = ["OpenAIServer"]

PROBE_SECONDS = 10.0
LOST = 3  # a request that this many servers took and never answered may be what stops them
BATCH_ROWS, SHARDS = 128, 2
BUSY = (408, 409, 425, 429, 503, 529)  # not worked on: too early, too many, overloaded
GATEWAY = (502, 504, 520, 522, 524)  # whoever says so does not know what the server behind it did


@dataclass(frozen=True)
class OpenAIServer:
    """Asks `{url}/chat/completions`, e.g. `url="http://localhost:8000/v1"`, for answers of `model`.

    Several urls are servers of the same model: a request goes to the least loaded that is well, its retries to others.
    The key is read from the environment variable `api_key_env` where the engine runs (a server without keys needs
    none). Images travel inside the request, as JPEG of quality 95 or as PNG. What may pass (HTTP 429, 5xx, no
    connection) is tried `retries` times again; a request that a server refuses, or that fails again and again, becomes
    `Completion.error`; when all servers are gone or one refuses the key, EngineError is raised.

    `resend`: whether a request that a server took and did not answer (a timeout, a lost connection, a gateway's 502 or
    504), and may charge for, is sent again. None: yes where no key is set, since who asks for no key charges nobody;
    with a key it becomes the error "engine_unsure".

    Identity is `model` and `image_format`; where the servers are, is placement. `requests` is how many may be open at
    once at each of them from this process, whatever number of threads asks.
    """

    url: str | tuple[str, ...] = field(repr=False)
    model: str
    api_key_env: str = field(default="OPENAI_API_KEY", repr=False)
    image_format: Literal["jpeg", "png"] = "jpeg"
    requests: int = field(default=32, repr=False)
    timeout_seconds: float = field(default=300.0, repr=False)
    retries: int = field(default=5, repr=False)
    cpus: float = field(default=1.0, repr=False)
    workers: int | None = field(default=None, repr=False)
    resend: bool | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        if not self.urls or not isinstance(self.url, str | tuple) or len(set(self.urls)) < len(self.urls):
            raise PlanError("OpenAIServer: url must be an address, or a tuple of different ones")
        for url in self.urls:
            if urlsplit(url).scheme not in ("http", "https") or not urlsplit(url).hostname:
                raise PlanError("OpenAIServer: url must look like http://host:8000/v1")
        if self.image_format not in ("jpeg", "png"):
            raise PlanError(f"OpenAIServer: image_format is {self.image_format!r}; it must be 'jpeg' or 'png'")
        if self.requests < 1 or self.retries < 0:
            raise PlanError("OpenAIServer: requests must be at least 1 and retries at least 0")

    @property
    def urls(self) -> tuple[str, ...]:
        return (self.url,) if isinstance(self.url, str) else self.url

    @property
    def name(self) -> str:
        return self.model

    @property
    def resources(self) -> Resources:
        """One process feeds all servers; no time limit per batch, since each request has its own."""
        batches = math.ceil(2 * self.requests * len(self.urls) / (BATCH_ROWS * SHARDS))
        return Resources(
            cpus=self.cpus,
            workers=self.workers,
            timeout_seconds=None,
            batch_rows=BATCH_ROWS,
            in_flight=max(3, batches),
            shards=SHARDS,
        )

    def check(self) -> None:
        """Raise PlanError if no server answers, or one refuses the key."""
        silent = []
        for server in _servers(self):
            try:
                _probe(self, server)
            except OSError as error:
                silent.append(f"{server.host}: {error}")
            except EngineError as error:
                raise PlanError(str(error)) from error
        if len(silent) == len(self.urls):
            raise PlanError(f"no server answers at {'; '.join(silent)}; start it, or fix url")

    def start(self) -> None:
        live(self, _Client)

    def submit(self, request: Request) -> Future[Completion]:
        return live(self, _Client).submit(request)

    def load(self) -> Generate:
        self.start()
        return functools.partial(generate, self)


class _Client:
    """Threads that ask; as many requests wait as are open, so encoded images do not pile up."""

    def __init__(self, config: OpenAIServer) -> None:
        self.config = config
        self.servers = Servers(_servers(config), config.retries, functools.partial(_probe, config))
        together = config.requests * len(config.urls)
        self.threads = ThreadPoolExecutor(together, thread_name_prefix="openai")
        self.slots = threading.BoundedSemaphore(2 * together)

    def submit(self, request: Request) -> Future[Completion]:
        """Return the answer to come; waits while too many are open."""
        self.slots.acquire()
        future = self.threads.submit(self._answer, request)
        future.add_done_callback(lambda _: self.slots.release())
        return future

    def _answer(self, request: Request) -> Completion:
        start = time.perf_counter()
        try:
            body = chat_body(self.config.model, self.config.image_format, request)
            reply = self._ask_patiently(request.id, body)
            return completion(reply, request, time.perf_counter() - start)
        except (LookupError, TypeError, AttributeError, ValueError) as error:
            trouble = SampleError("engine_failed", f"no chat completion came back: {_sentence(error)}")
        except SampleError as error:
            trouble = error
        return Completion("", None, 0, 0, time.perf_counter() - start, trouble)

    def _ask_patiently(self, number: str, body: dict[str, Any]) -> Any:
        """Return a server's reply; raises SampleError when this request cannot be answered, EngineError if none can."""
        tried: list[Server] = []
        lost = 0
        for attempt in range(self.config.retries + 1):
            server = self.servers.take(tried)
            began = time.monotonic()
            reply = self._ask(server, body)
            if not isinstance(reply, Failure):
                self.servers.answered(server)
                if isinstance(reply, Exception):
                    raise reply
                return reply
            failure = reply
            self.servers.failed(server, failure, began, number)
            tried.append(server)
            lost += failure.unsure
            self._raise_if_lost(server, failure, lost)
            if failure.kind == "error" and len(tried) % len(self.config.urls) == 0 and attempt < self.config.retries:
                time.sleep(pause(number, attempt + 1))  # the others do not know better
        raise SampleError(
            "engine_failed", f"{server.host} failed, as {len(tried)} tries did, last with: {failure.text}"
        )

    def _raise_if_lost(self, server: Server, failure: Failure, lost: int) -> None:
        keyless = not os.environ.get(self.config.api_key_env)
        if failure.unsure and not (keyless if self.config.resend is None else self.config.resend):
            raise SampleError(
                "engine_unsure",
                f"{server.host} took the request and did not answer ({failure.text}); it may have charged for it, so "
                "it was not sent again; `curate retry` does",
            )
        if lost == LOST:
            raise SampleError("engine_failed", f"{LOST} servers took it and did not answer, last with: {failure.text}")

    def _ask(self, server: Server, body: dict[str, Any]) -> Any:
        """Return the reply to one try, the error that ends all tries, or the Failure of this one."""
        while True:
            known = {part: value for part, value in body.items() if part not in server.refuses}
            data = json.dumps(known).encode()
            try:
                return _send(self.config, server, "chat/completions", data, self.config.timeout_seconds)
            except urllib.error.HTTPError as error:
                with error:
                    said = error.read(2000).decode("utf-8", "replace")
                part = refused_part(said, known) if error.code in (400, 422) else None
                if part is None:
                    return self._judge(server, error, said)
                server.refuses.add(part)
            except urllib.error.URLError as error:  # it never had the whole request
                return Failure("silent", _sentence(error))
            except (OSError, http.client.HTTPException) as error:
                return Failure("silent", _sentence(error), unsure=True)
            except ValueError as error:
                return error

    def _judge(self, server: Server, error: urllib.error.HTTPError, said: str) -> Failure | Exception:
        if error.code in (401, 403):
            return _key_refused(self.config, server, error)
        if error.code == 404:
            return EngineError(f"{server.host} has no model {self.config.model!r}, or no chat API below url")
        asked = error.headers.get("Retry-After") or ""
        wait = float(asked) if asked.isdigit() else None
        if error.code in BUSY:
            return Failure("busy", f"HTTP {error.code}", wait=wait)
        if error.code >= 500:
            return Failure("error", f"HTTP {error.code}", error.code in GATEWAY, wait)
        return SampleError("engine_rejected", f"HTTP {error.code}: {' '.join(said.split())[:400]}")


def _servers(config: OpenAIServer) -> list[Server]:
    return [Server(url.rstrip("/"), urlsplit(url).netloc.rpartition("@")[2], config.requests) for url in config.urls]


def _probe(config: OpenAIServer, server: Server) -> None:
    """Raise OSError unless the server answers, anything at all, or EngineError if it refuses the key."""
    try:
        _send(config, server, "models", None, PROBE_SECONDS)
    except urllib.error.HTTPError as error:
        if error.code in (401, 403):
            raise _key_refused(config, server, error) from error
        if error.code in GATEWAY:
            raise OSError(f"HTTP {error.code}") from error
    except (OSError, http.client.HTTPException) as error:
        raise OSError(_sentence(error)) from error
    except ValueError:
        return


def _key_refused(config: OpenAIServer, server: Server, error: urllib.error.HTTPError) -> EngineError:
    return EngineError(
        f"{server.host} refuses the key (HTTP {error.code}); set the environment variable {config.api_key_env}"
    )


def _send(config: OpenAIServer, server: Server, path: str, data: bytes | None, timeout: float) -> Any:
    """Return the reply. URLError means that the request was never sent whole, any other OSError that it was.

    Each request has a connection of its own: one that a server closes while we write to it would leave us unsure. Its
    key, a digest of the body, tells a server that honours it that this is the same request again.
    """
    headers = {"Content-Type": "application/json"}
    if data is not None:
        headers["Idempotency-Key"] = hashlib.blake2b(data, digest_size=16).hexdigest()
    if key := os.environ.get(config.api_key_env):
        headers["Authorization"] = f"Bearer {key}"
    request = urllib.request.Request(f"{server.url}/{path}", data, headers)
    with urllib.request.urlopen(request, timeout=timeout) as reply:
        return json.load(reply)


def _sentence(error: BaseException) -> str:
    return " ".join(str(error).split())[:300] or type(error).__name__
