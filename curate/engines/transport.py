"""HTTP requests to the servers of one client: kept-alive connections, and whether a lost request was sent whole."""

from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any

from curate.errors import EngineError
from curate.models.extras import check_extra

__all__ = ["NotAnswered", "NotSent", "Reply", "Transport", "sentence"]

# Less than the 5 s after which vLLM's own server (uvicorn) closes a connection: one that a server closes while a
# request is written to it leaves the client unsure.
KEEP_ALIVE_SECONDS = 2.0


class NotSent(OSError):
    """The server never had the whole request, so it did not work on it."""


class NotAnswered(OSError):
    """The server had the whole request and may have worked on it, but no reply came back."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What a server answered. `wait_seconds` is its `Retry-After`, null where it has none that can be read."""

    status: int
    body: bytes
    wait_seconds: float | None = None

    @property
    def text(self) -> str:
        """The first 2000 bytes of the body, for messages."""
        return self.body[:2000].decode("utf-8", "replace")


class Transport:
    """A pool of connections, of which at most `connections` are kept alive; thread-safe.

    Proxies and certificates are those of the environment; EngineError is raised if they cannot be used.
    """

    def __init__(self, connections: int) -> None:
        check_extra("httpx", "server")
        import httpx

        limits = httpx.Limits(
            max_connections=None,  # the client bounds its requests; a wait for a connection would only time out
            max_keepalive_connections=connections,
            keepalive_expiry=KEEP_ALIVE_SECONDS,
        )
        try:
            context = httpx.create_ssl_context()
            context.load_default_certs()  # httpx knows only certifi's; a machine may trust more of its own
            self.client = httpx.Client(limits=limits, verify=context)
        except (httpx.InvalidURL, ValueError, ImportError, OSError) as error:
            raise EngineError(
                f"HTTP cannot be set up ({sentence(error)}); fix the proxies (HTTP_PROXY, HTTPS_PROXY, ALL_PROXY) or "
                "the certificates (SSL_CERT_FILE) that the environment names"
            ) from error

    def send(self, url: str, data: bytes | None, headers: dict[str, str], timeout_seconds: float) -> Reply:
        """POST `data`, or GET if it is null; the timeout holds for connecting and for each wait for the socket.

        Raises NotSent or NotAnswered if no reply came, ValueError if it cannot be decoded.
        """
        import httpx

        progress = _Progress()
        try:
            reply = self.client.request(
                "GET" if data is None else "POST",
                url,
                content=data,
                headers=headers,
                timeout=timeout_seconds,
                extensions={"trace": progress},
            )
        except httpx.DecodingError as error:
            raise ValueError(f"the reply cannot be unpacked: {error}") from error
        except (httpx.RequestError, httpx.InvalidURL) as error:
            raise (NotAnswered if progress.sent else NotSent)(sentence(error)) from error
        return Reply(reply.status_code, reply.content, wait_seconds(reply.headers))

    def close(self) -> None:
        """Close all connections."""
        self.client.close()


class _Progress:
    """Follows a request by httpcore's trace; `sent` is set once all of it was written to the server's connection."""

    def __init__(self) -> None:
        self.sent = False
        self.to_proxy = False

    def __call__(self, event: str, info: dict[str, Any]) -> None:
        if event == "http11.send_request_headers.started":
            self.to_proxy = info["request"].method == b"CONNECT"  # asks a proxy for a tunnel, the request comes after
        elif event == "http11.send_request_body.complete":
            self.sent = not self.to_proxy


def wait_seconds(headers: Any) -> float | None:
    """Return the seconds that `Retry-After` asks for, as a number or as a date; null where there is neither.

    A date is compared with the reply's own `Date`, so the clock of this machine does not matter.

    >>> wait_seconds({"Retry-After": "7"})
    7.0
    >>> wait_seconds({"Retry-After": "Wed, 21 Oct 2015 07:28:30 GMT", "Date": "Wed, 21 Oct 2015 07:28:00 GMT"})
    30.0
    """
    wait = headers.get("Retry-After") or ""
    if wait.isdecimal():
        return float(wait)
    try:
        seconds = (parsedate_to_datetime(wait) - parsedate_to_datetime(headers.get("Date") or "")).total_seconds()
    except (TypeError, ValueError):  # no date, or one with a time zone and one without
        return None
    return max(0.0, seconds)


def sentence(error: BaseException) -> str:
    """Return the message of an error on one line, or its name if it has none."""
    return " ".join(str(error).split())[:300] or type(error).__name__
