"""Small real HTTP servers that speak OpenAI's chat API and fail on demand."""

import json
import socket
import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Behaviour:
    """What a server does: `how(text, number)` returns a status, "hang", "drop", or None to answer with the text.

    `received` holds the texts in the order of arrival; `paid` those that got an answer or might have, which a provider
    would charge for.
    """

    def __init__(self, how=lambda text, number: None, seconds=0.0):
        self.how, self.seconds = how, seconds
        self.lock = threading.Lock()
        self.received, self.paid, self.bodies, self.headers = [], [], [], []
        self.open = self.most_open = self.probes = self.connections = 0
        self.extra = {}


class Handler(BaseHTTPRequestHandler):
    behaviour: Behaviour
    protocol_version = "HTTP/1.1"  # keeps connections alive
    disable_nagle_algorithm = True

    def setup(self):
        super().setup()
        with self.behaviour.lock:
            self.behaviour.connections += 1

    def do_GET(self):
        self.behaviour.probes += 1
        self.reply(200, {"data": []})

    def do_POST(self):
        b = self.behaviour
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        text = body["messages"][-1]["content"][-1]["text"]
        with b.lock:
            b.received.append(text)
            b.bodies.append(body)
            b.headers.append(dict(self.headers))
            number = len(b.received)
            b.open += 1
            b.most_open = max(b.most_open, b.open)
        time.sleep(b.seconds)
        what = b.how(text, number)
        with b.lock:
            b.open -= 1  # before the reply: the next request comes at once
        self.act(b, text, what)

    def act(self, b, text, what):
        if isinstance(what, int | tuple):
            status, value = what if isinstance(what, tuple) else (what, {"error": {"message": "not now"}})
            return self.reply(status, value)
        with b.lock:
            b.paid.append(text)
        if what == "hang":
            time.sleep(1.5)
        elif what != "drop":
            choice = {"message": {"content": f"re {text}"}, "finish_reason": "stop"} | b.extra
            return self.reply(200, {"choices": [choice], "usage": {"prompt_tokens": 7, "completion_tokens": 3}})
        self.close_connection = True
        self.connection.shutdown(socket.SHUT_RDWR)
        return None

    def reply(self, status, value):
        data = json.dumps(value).encode()
        self.send_response(status)
        if status == 429:
            self.send_header("Retry-After", "0")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_):
        pass


class Quiet(ThreadingHTTPServer):
    def handle_error(self, *_):
        pass


@contextmanager
def serving(*behaviours):
    """Yield the urls of a server for each behaviour."""
    servers = [Quiet(("127.0.0.1", 0), type("H", (Handler,), {"behaviour": b})) for b in behaviours]
    for server in servers:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    try:
        yield tuple(f"http://127.0.0.1:{server.server_port}/v1" for server in servers)
    finally:
        for server in servers:
            server.shutdown()
            server.server_close()


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]
