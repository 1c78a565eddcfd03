"""An S3 server (moto) behind a proxy that counts, fails and dies on demand; its address is fixed for the session."""

import http.client
import http.server
import socket
import threading
from contextlib import nullcontext
from dataclasses import dataclass, field
from urllib.parse import unquote


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


PORT = free_port()
ENVIRONMENT = {  # Ray workers get it from the cluster, see conftest.py
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_ENDPOINT_URL": f"http://127.0.0.1:{PORT}",
}
HOP_BY_HOP = {"connection", "transfer-encoding", "keep-alive"}


@dataclass
class Server:
    """What went through the proxy: (method, path with query, bytes of the answer); `failure` hits every n-th request.

    Failures: `busy` answers 503, `reset` drops the connection unanswered, `cut` ends the answer in the middle, `lost`
    does what is requested and then drops the connection.
    """

    upstream: int
    failure: str = ""
    every: int = 3
    log: list[tuple[str, str, int]] = field(default_factory=list)
    requests: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)
    writes: threading.Lock = field(default_factory=threading.Lock)  # moto checks a condition and writes in two steps

    def calls(self, method: str, part: str = "") -> int:
        return sum(m == method and part in path for m, path, _ in self.log)

    def bytes_read(self, part: str) -> int:
        return sum(size for method, path, size in self.log if method == "GET" and part in path)

    def be_well(self) -> None:
        self.failure, self.requests = "", 0
        self.log.clear()

    def turn(self) -> str:
        with self.lock:
            self.requests += 1
            return self.failure if self.failure and self.requests % self.every == 0 else ""


def handler(server: Server) -> type[http.server.BaseHTTPRequestHandler]:
    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_):
            pass

        def forward(self):
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            failure = server.turn()
            if failure == "reset":
                self.drop()
                return
            if failure == "busy":
                self.answer(503, [], b"")
                return
            with nullcontext() if self.command in ("GET", "HEAD") else server.writes:
                response, data = self.pass_on(body)
            if failure == "lost":
                self.drop()
                return
            server.log.append((self.command, unquote(self.path), len(data)))
            kept = [(k, v) for k, v in response.getheaders() if k.lower() not in HOP_BY_HOP | {"content-length"}]
            length = response.getheader("Content-Length") if self.command == "HEAD" else None
            self.answer(response.status, kept, data, length, cut=failure == "cut")

        def pass_on(self, body):
            upstream = http.client.HTTPConnection("127.0.0.1", server.upstream, timeout=30)
            headers = {k: v for k, v in self.headers.items() if k.lower() not in HOP_BY_HOP}
            upstream.request(self.command, self.path, body, headers)
            response = upstream.getresponse()
            data = response.read()
            upstream.close()
            return response, data

        def drop(self):
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)

        def answer(self, status, headers, data, length=None, cut=False):
            self.send_response(status)
            for name, value in headers:
                self.send_header(name, value)
            self.send_header("Content-Length", length or str(len(data)))
            self.end_headers()
            self.wfile.write(data[: len(data) // 2] if cut else data)
            if cut:
                self.close_connection = True

        do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = forward

    return Handler
