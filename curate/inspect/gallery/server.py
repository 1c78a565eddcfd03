"""A gallery's web server: for one person, on this machine unless told otherwise, and only with its token."""

import hmac
import ipaddress
import json
import os
import secrets
import socket
import sys
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from http.cookies import CookieError, SimpleCookie
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final
from urllib.parse import parse_qsl, urlencode, urlsplit

from curate.errors import PlanError
from curate.inspect.gallery.site import Answer, Site, open_site
from curate.inspect.labels import LabelFile
from curate.inspect.view import run_view
from curate.storage.store import Store

__all__ = ["LOOPBACK", "Door", "open_server", "view"]

LOOPBACK: Final = "127.0.0.1"
LARGEST: Final = 16_384  # bytes of a label
PATIENCE: Final = 30.0  # seconds that a browser may say nothing
HEADERS: Final = {
    "Content-Security-Policy": "default-src 'none'; img-src 'self'; style-src 'self'; script-src 'self'; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}


@dataclass(frozen=True, slots=True)
class Door:
    """Who is let in: who names this machine as the address says, and shows the token."""

    host: str
    port: int
    token: str

    @property
    def cookie(self) -> str:
        """Return the cookie's name; browsers do not tell ports apart."""
        return f"curate-{self.port}"

    def address(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}/?token={self.token}"

    def knows(self, host: str | None) -> bool:
        """Tell whether a Host header names this server: a page of a foreign name that points here does not.

        Numbers are names that nobody can point elsewhere; the port may be that of a tunnel.
        """
        try:
            name = urlsplit(f"//{host}").hostname or ""
        except ValueError:
            return False
        if self.host != LOOPBACK and (_is_number(name) or name in (self.host, socket.gethostname(), socket.getfqdn())):
            return True
        return name in ("localhost", "127.0.0.1", "::1", self.host)

    def admits(self, token: str | None) -> bool:
        return token is not None and hmac.compare_digest(token.encode("utf-8", "replace"), self.token.encode())


def view(
    store: Store, run_id: str | None, address: tuple[str, int], labels: LabelFile | None, say: Callable[[str], None]
) -> None:
    """Show a run in a browser until Ctrl-C; `say` is told where.

    Raises PlanError if there is no such run, the port is taken, or jinja2 is not installed.
    """
    site = open_site(run_view(store, run_id), labels, os.environ.get("USER", "")[:200])
    server, door = open_server(site, *address)
    with server:
        if door.host != LOOPBACK:
            say(f"warning: {door.host} can be reached by others; whoever has the address sees all samples, unencrypted")
        say(f"run {site.frame.view.run.id}, {site.frame.size:,} samples: {door.address()}")
        say("Ctrl-C ends it")
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            say("ended")
        finally:
            site.frame.close()


def open_server(site: Site, host: str = LOOPBACK, port: int = 0) -> tuple[ThreadingHTTPServer, Door]:
    """Listen; port 0 is any free one. Raises PlanError if the port is taken or the host is not this machine's."""
    kind = _Server6 if ":" in host else _Server
    try:
        server = kind((host, port), _Handler)
    except (OSError, OverflowError) as error:
        raise PlanError(f"cannot listen on {host}:{port} ({error}); give another --port, or 0 for any") from error
    server.site = site
    server.door = Door(host, server.server_address[1], secrets.token_urlsafe(24))
    return server, server.door


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    site: Site
    door: Door

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing where the browser hung up."""
        if not isinstance(sys.exc_info()[1], ConnectionError | TimeoutError):
            super().handle_error(request, client_address)


class _Server6(_Server):
    address_family = socket.AF_INET6


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version, sys_version = "curate", ""
    timeout = PATIENCE
    server: _Server

    def do_GET(self) -> None:
        """Let in who shows the token, once in the address and then by cookie, and answer."""
        if not self._knows_us():
            return
        parts = urlsplit(self.path)
        fields = dict(parse_qsl(parts.query, max_num_fields=200))
        if (token := fields.pop("token", None)) is not None and self.server.door.admits(token):
            self._enter(f"{parts.path}?{urlencode(fields)}" if fields else parts.path)
        elif not self.server.door.admits(self._cookie()):
            self._refuse(HTTPStatus.FORBIDDEN, "open the whole address that curate view printed")
        else:
            self._send(self.server.site.get(parts.path, fields))

    do_HEAD = do_GET

    def do_POST(self) -> None:
        """Take a label from a page of our own: its token, its origin, and JSON, which no foreign form can send."""
        if not self._knows_us():
            return
        length = self.headers.get("Content-Length", "")
        if not self.server.door.admits(self._cookie()):
            self._refuse(HTTPStatus.FORBIDDEN, "open the whole address that curate view printed")
        elif urlsplit(self.headers.get("Origin", "")).netloc != self.headers.get("Host"):
            self._refuse(HTTPStatus.FORBIDDEN, "labels are taken from the gallery's own pages")
        elif self.headers.get_content_type() != "application/json":
            self._refuse(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "a label is JSON")
        elif not length.isdecimal() or int(length) > LARGEST:
            self._refuse(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"a label has at most {LARGEST} bytes")
        else:
            try:
                body = json.loads(self.rfile.read(int(length)))
            except (ValueError, RecursionError):
                self._refuse(HTTPStatus.BAD_REQUEST, "a label is JSON")
            else:
                self._send(self.server.site.post(urlsplit(self.path).path, body))

    def log_message(self, format: str, *arguments: Any) -> None:
        """Log nothing: addresses hold the token and what was searched for."""

    def _knows_us(self) -> bool:
        hosts = self.headers.get_all("Host") or []
        if len(hosts) == 1 and self.server.door.knows(hosts[0]) and self.path.startswith("/"):
            return True
        self._refuse(HTTPStatus.FORBIDDEN, "this server is not of that name")
        return False

    def _cookie(self) -> str | None:
        try:
            cookie = SimpleCookie(self.headers.get("Cookie", "")).get(self.server.door.cookie)
        except CookieError:
            return None
        return None if cookie is None else cookie.value

    def _enter(self, path: str) -> None:
        """Give the cookie and lead to the page without the token, which then stands in no history."""
        door = self.server.door
        self.send_response(HTTPStatus.SEE_OTHER)
        self.send_header("Location", f"/{path.lstrip('/')}")
        self.send_header("Set-Cookie", f"{door.cookie}={door.token}; HttpOnly; SameSite=Strict; Path=/")
        self._end(b"", "no-store")

    def _refuse(self, status: HTTPStatus, reason: str) -> None:
        self.close_connection = True  # what else it sent is not read
        self._send(Answer(status, "text/plain; charset=utf-8", f"{reason}\n".encode()))

    def _send(self, answer: Answer) -> None:
        self.send_response(answer.status)
        self.send_header("Content-Type", answer.kind)
        self._end(answer.content, "private, max-age=3600" if answer.kept else "no-store")

    def _end(self, content: bytes, cache: str) -> None:
        for name, value in HEADERS.items():
            self.send_header(name, value)
        self.send_header("Cache-Control", cache)
        self.send_header("Content-Length", str(len(content)))
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)


def _is_number(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
