"""Servers that speak OpenAI's chat API (vLLM, SGLang, TGI, a cloud): one, or several of the same model."""

import contextlib
import functools
import hashlib
import json
import math
import os
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import urlsplit

from curate.engines.chat_api import chat_body, completion, refused_part
from curate.engines.engine import Completion, Request
from curate.engines.live import live
from curate.engines.servers import Failure, Server, Servers, pause
from curate.engines.transport import NotAnswered, NotSent, Reply, Transport, sentence
from curate.errors import EngineError, PlanError, SampleError
from curate.models.chat_models import ChatFacts, chat_facts
from curate.stages import Resources

__all__ = ["OpenAIServer"]

PROBE_SECONDS = 10.0
MOST_UNANSWERED = 3  # a request that so many servers took and did not answer may be what stops them
BATCH_ROWS, SHARDS = 128, 2
BUSY = (408, 409, 425, 429, 503, 529)  # not worked on: too early, too many, overloaded
GATEWAY = (502, 504, 520, 522, 524)  # whoever says so does not know what the server behind it did


@dataclass(frozen=True)
class OpenAIServer:
    """Asks `{url}/chat/completions`, e.g. `url="http://localhost:8000/v1"`, for answers of `model`.

    Several urls are servers of the same model: a request goes to the least loaded one that is healthy, its retries to
    others. The key is read from the environment variable `api_key_env` where the engine runs (a server without keys
    needs none), proxies from HTTP_PROXY and the like. Images travel inside the request, as JPEG of quality 95 or as
    PNG. What may pass (HTTP 429, 5xx, no connection) is tried `retries` times again; a request that a server refuses,
    or that fails again and again, becomes `Completion.error`; when all servers are gone or one refuses the key,
    EngineError is raised.

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
            if not _is_address(url):
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
    def facts(self) -> ChatFacts:
        return chat_facts(self.model)

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
        try:
            with contextlib.closing(Transport(1)) as transport:
                for server in _servers(self):
                    try:
                        _probe(self, transport, server)
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


def _is_address(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # a port that is none
        return False


class _Client:
    """Threads that send requests; as many requests wait as are in flight, so encoded images do not pile up."""

    def __init__(self, config: OpenAIServer) -> None:
        self.config = config
        self.thinking, template = config.facts.thinking, config.facts.template
        self.extra = {"chat_template_kwargs": template} if template else {}
        in_flight = config.requests * len(config.urls)
        self.transport = Transport(in_flight)
        self.servers = Servers(_servers(config), config.retries, functools.partial(_probe, config, self.transport))
        self.threads = ThreadPoolExecutor(in_flight, thread_name_prefix="openai")
        self.slots = threading.BoundedSemaphore(2 * in_flight)

    def submit(self, request: Request) -> Future[Completion]:
        """Return the answer to come; waits while too many are in flight."""
        self.slots.acquire()
        future = self.threads.submit(self._answer, request)
        future.add_done_callback(lambda _: self.slots.release())
        return future

    def _answer(self, request: Request) -> Completion:
        start = time.perf_counter()
        try:
            body = chat_body(self.config.model, self.config.image_format, request) | self.extra
            reply = self._send_with_retries(request.id, body)
            return completion(reply, request, time.perf_counter() - start, self.thinking)
        except (LookupError, TypeError, AttributeError, ValueError) as cause:
            error = SampleError("engine_failed", f"no chat completion came back: {sentence(cause)}")
        except SampleError as cause:
            error = cause
        return Completion("", None, 0, 0, time.perf_counter() - start, error)

    def _send_with_retries(self, request_id: str, body: dict[str, Any]) -> Any:
        """Return a server's reply; raises SampleError when this request cannot be answered, EngineError if none can."""
        failed_at: list[Server] = []
        unanswered = 0
        for attempt in range(self.config.retries + 1):
            server = self.servers.take(failed_at)
            began = time.monotonic()
            outcome = self._send(server, body)
            if not isinstance(outcome, Failure):
                self.servers.answered(server)
                if isinstance(outcome, Exception):
                    raise outcome
                return outcome
            self.servers.failed(server, outcome, began, request_id)
            failed_at.append(server)
            unanswered += outcome.unsure
            self._raise_if_unanswered(server, outcome, unanswered)
            all_failed = len(failed_at) % len(self.config.urls) == 0
            if outcome.kind == "error" and all_failed and attempt < self.config.retries:
                time.sleep(pause(request_id, attempt + 1))
        raise SampleError(
            "engine_failed", f"{server.host} failed, as {len(failed_at)} tries did, last with: {outcome.text}"
        )

    def _raise_if_unanswered(self, server: Server, failure: Failure, unanswered: int) -> None:
        keyless = not os.environ.get(self.config.api_key_env)
        if failure.unsure and not (keyless if self.config.resend is None else self.config.resend):
            raise SampleError(
                "engine_unsure",
                f"{server.host} took the request and did not answer ({failure.text}); it may have charged for it, so "
                "it was not sent again; `curate retry` does",
            )
        if unanswered == MOST_UNANSWERED:
            raise SampleError(
                "engine_failed",
                f"{MOST_UNANSWERED} servers took it and did not answer, last with: {failure.text}",
            )

    def _send(self, server: Server, body: dict[str, Any]) -> Any:
        """Return the reply to one try, the error that ends all tries, or the Failure of this one."""
        while True:
            parts = {part: value for part, value in body.items() if part not in server.refuses}
            try:
                reply = _request(self.config, self.transport, server, "chat/completions", parts)
                if 200 <= reply.status < 300:
                    return json.loads(reply.body)
            except NotSent as error:
                return Failure("silent", str(error))
            except NotAnswered as error:
                return Failure("silent", str(error), unsure=True)
            except ValueError as error:
                return error
            refused = refused_part(reply.text, parts) if reply.status in (400, 422) else None
            if refused is None:
                return _failure(self.config, server, reply)
            server.refuses.add(refused)


def _failure(config: OpenAIServer, server: Server, reply: Reply) -> Failure | Exception:
    """Return what a status other than 2xx means: a Failure that may pass, or the error that ends all tries."""
    status = f"HTTP {reply.status}"
    if reply.status in (401, 403):
        return _key_refused(config, server, reply)
    if reply.status == 404:
        return EngineError(f"{server.host} has no model {config.model!r}, or no chat API below url")
    if reply.status in BUSY:
        return Failure("busy", status, wait=reply.wait_seconds)
    if reply.status >= 500:
        return Failure("error", status, reply.status in GATEWAY, reply.wait_seconds)
    return SampleError("engine_rejected", f"{status}: {' '.join(reply.text.split())[:400]}")


def _servers(config: OpenAIServer) -> list[Server]:
    return [Server(url.rstrip("/"), urlsplit(url).netloc.rpartition("@")[2], config.requests) for url in config.urls]


def _probe(config: OpenAIServer, transport: Transport, server: Server) -> None:
    """Raise OSError unless the server answers, anything at all, or EngineError if it refuses the key."""
    try:
        reply = _request(config, transport, server, "models", None)
    except ValueError:
        return
    if reply.status in (401, 403):
        raise _key_refused(config, server, reply)
    if reply.status in GATEWAY:
        raise OSError(f"HTTP {reply.status}")


def _key_refused(config: OpenAIServer, server: Server, reply: Reply) -> EngineError:
    return EngineError(
        f"{server.host} refuses the key (HTTP {reply.status}); set the environment variable {config.api_key_env}"
    )


def _request(
    config: OpenAIServer, transport: Transport, server: Server, path: str, body: dict[str, Any] | None
) -> Reply:
    """Send one request, whatever comes back; raises NotSent or NotAnswered, or ValueError, as `Transport.send`.

    Its key, a digest of the body, tells a server that honours it that this is the same request again.
    """
    headers = {"Content-Type": "application/json"}
    data = None if body is None else json.dumps(body).encode()
    if data is not None:
        headers["Idempotency-Key"] = hashlib.blake2b(data, digest_size=16).hexdigest()
    if key := os.environ.get(config.api_key_env):
        headers["Authorization"] = f"Bearer {key}"
    timeout_seconds = PROBE_SECONDS if data is None else config.timeout_seconds
    return transport.send(f"{server.url}/{path}", data, headers, timeout_seconds)
