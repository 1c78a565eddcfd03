import contextlib
import socket
import threading
import time
from contextlib import closing, contextmanager

import pytest

from curate.engines.transport import NotAnswered, NotSent, Transport
from curate.errors import EngineError
from tests.support.endpoints import free_port

REPLY = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
LARGE = b"x" * (32 << 20)  # more than the socket buffers of both sides hold


@pytest.fixture(autouse=True)
def no_proxies(monkeypatch):
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@contextmanager
def listening(serve):
    """Yield the port of a server that calls `serve(connection, number)` for each connection, and their count."""
    numbers = []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def accept():
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                numbers.append(len(numbers))
                threading.Thread(target=run, args=(connection, numbers[-1]), daemon=True).start()

        def run(connection, number):
            with connection, contextlib.suppress(OSError):  # the client may be gone
                serve(connection, number)

        threading.Thread(target=accept, daemon=True).start()
        yield listener.getsockname()[1], numbers
        listener.shutdown(socket.SHUT_RDWR)


def read_request(connection):
    """Return the head of a request and read its body; b"" when the client is gone."""
    data = b""
    while b"\r\n\r\n" not in data:
        part = connection.recv(65536)
        if not part:
            return b""
        data += part
    head, _, body = data.partition(b"\r\n\r\n")
    length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n")[0] or 0)
    while len(body) < length:
        body += connection.recv(65536)
    return head


def send(port, data=b"{}", timeout_seconds=5.0, transport=None, scheme="http"):
    with closing(transport or Transport(4)) as own:
        return own.send(f"{scheme}://127.0.0.1:{port}/v1/x", data, {"A": "b"}, timeout_seconds)


def answer_all(connection, number):
    while read_request(connection):
        connection.sendall(REPLY)


def test_a_connection_is_used_again_and_one_that_the_server_closed_meanwhile_is_not():
    def serve(connection, number):
        for _ in range(3):
            read_request(connection)
            connection.sendall(REPLY)

    with listening(serve) as (port, connections), closing(Transport(4)) as transport:
        for _ in range(7):
            reply = transport.send(f"http://127.0.0.1:{port}/", b"{}", {}, 5.0)
            assert (reply.status, reply.body, reply.wait_seconds) == (200, b"{}", None)
            time.sleep(0.02)
    assert len(connections) == 3


def test_no_body_is_a_get_and_a_body_a_post():
    heads = []

    def serve(connection, number):
        heads.append(read_request(connection))
        connection.sendall(REPLY)

    with listening(serve) as (port, _):
        send(port, None)
        send(port, b"{}")
    assert [head.split(b" ")[0] for head in heads] == [b"GET", b"POST"]
    assert all(b"a: b" in head.lower() for head in heads)


def stop_reading(connection, number):
    connection.recv(1000)
    time.sleep(0.1)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")  # reset


def never_read(connection, number):
    time.sleep(2)


@pytest.mark.parametrize("serve", [stop_reading, never_read])
def test_a_request_that_was_not_sent_whole_was_not_sent(serve):
    with listening(serve) as (port, _), pytest.raises(NotSent):
        send(port, LARGE, timeout_seconds=0.3)


def test_a_server_that_does_not_listen_was_sent_nothing():
    with pytest.raises(NotSent, match="refused"):
        send(free_port())


def close_unanswered(connection, number):
    read_request(connection)


def never_answer(connection, number):
    read_request(connection)
    time.sleep(2)


def answer_half(connection, number):
    read_request(connection)
    connection.sendall(REPLY[:-1])


def answer_nonsense(connection, number):
    read_request(connection)
    connection.sendall(b"what?\r\n\r\n")


def close_on_the_second(connection, number):
    read_request(connection)
    connection.sendall(REPLY)
    read_request(connection)


@pytest.mark.parametrize("serve", [close_unanswered, never_answer, answer_half, answer_nonsense, close_on_the_second])
def test_a_request_that_was_sent_whole_and_got_no_reply_may_have_been_worked_on(serve):
    with listening(serve) as (port, _), closing(Transport(4)) as transport:
        url = f"http://127.0.0.1:{port}/"
        if serve is close_on_the_second:
            transport.send(url, b"{}", {}, 5.0)
        with pytest.raises(NotAnswered):
            transport.send(url, b"{}", {}, 0.3)


def test_a_refusal_that_comes_before_the_whole_request_is_a_reply():
    def serve(connection, number):
        connection.recv(1000)
        connection.sendall(REPLY.replace(b"200 OK", b"413 Too Large"))
        connection.shutdown(socket.SHUT_WR)
        while connection.recv(65536):
            pass

    with listening(serve) as (port, _):
        assert send(port, LARGE).status == 413


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        (b"Retry-After: 7", 7.0),
        (b"Retry-After: Wed, 21 Oct 2015 07:28:30 GMT\r\nDate: Wed, 21 Oct 2015 07:28:00 GMT", 30.0),
        (b"Retry-After: Wed, 21 Oct 2015 07:27:00 GMT\r\nDate: Wed, 21 Oct 2015 07:28:00 GMT", 0.0),
        (b"Retry-After: Wed, 21 Oct 2015 07:28:30 GMT", None),
        (b"Retry-After: Wed, 21 Oct 2015 07:28:30\r\nDate: Wed, 21 Oct 2015 07:28:00 GMT", None),
        (b"Retry-After: soon", None),
        (b"X: y", None),
    ],
)
def test_a_server_says_how_long_to_wait_in_seconds_or_by_a_date(headers, seconds):
    def serve(connection, number):
        read_request(connection)
        connection.sendall(b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n" + headers + b"\r\n\r\n")

    with listening(serve) as (port, _):
        reply = send(port)
    assert (reply.status, reply.wait_seconds) == (503, seconds)


def test_a_reply_that_cannot_be_unpacked_is_a_value_error():
    def serve(connection, number):
        read_request(connection)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n\r\n{}")

    with listening(serve) as (port, _), pytest.raises(ValueError, match="unpacked"):
        send(port)


def test_proxies_come_from_the_environment(monkeypatch):
    heads = []

    def serve(connection, number):
        heads.append(read_request(connection))
        connection.sendall(REPLY)

    with listening(serve) as (port, _), listening(answer_all) as (direct, direct_connections):
        monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{port}")
        with closing(Transport(1)) as transport:
            transport.send("http://far.example/v1/x", b"{}", {}, 5.0)
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        send(direct)
    assert heads[0].startswith(b"POST http://far.example/v1/x HTTP/1.1")
    assert len(direct_connections) == 1


def test_a_tunnel_that_breaks_has_carried_no_request(monkeypatch):
    def serve(connection, number):
        read_request(connection)
        connection.sendall(b"HTTP/1.1 200 Established\r\n\r\n")

    with listening(serve) as (port, _):
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{port}")
        with closing(Transport(1)) as transport, pytest.raises(NotSent):
            transport.send("https://far.example/v1/x", b"{}", {}, 5.0)


@pytest.mark.parametrize(
    ("name", "value"), [("HTTP_PROXY", "ftp://proxy"), ("HTTP_PROXY", "http://proxy:port"), ("SSL_CERT_FILE", "/none")]
)
def test_settings_of_the_environment_that_cannot_be_used_are_named(monkeypatch, name, value):
    monkeypatch.setenv(name, value)
    with pytest.raises(EngineError, match=name):
        Transport(1)
