"""Opening fsspec file systems: the one place that sets retries, timeouts and caching of listings."""

import asyncio
import functools
import random
from collections.abc import Callable
from typing import Any, Final

import fsspec

__all__ = ["FLAT", "TRIES", "open_filesystem"]

TRIES: Final = 5
BODY_TRIES: Final = 3  # of s3fs, around those of botocore, for answers that break off
FIRST_WAIT_SECONDS: Final = 0.5  # doubled from try to try, then anything between nothing and that
CONNECT_SECONDS: Final = 20
READ_SECONDS: Final = 60  # without a byte
RETRIED_STATUS: Final = frozenset({408, 429, 500, 502, 503, 504})
FLAT: Final = frozenset({"s3", "s3a", "gs", "gcs", "abfs", "az", "adl"})  # no folders to make, no renames to trust


def open_filesystem(url: str, *, remember: bool = False) -> tuple[Any, str]:
    """Return the fsspec file system of a URL or path and the path inside it.

    A request that fails in a way that may pass (5xx, 429, timeouts, lost connections) is tried `TRIES` times, with
    growing random pauses: by botocore for S3, by gcsfs for GCS (its own 6 tries), by `retry_middleware` for web
    servers. Listings are not cached, since other machines write too, except with `remember`, which gives a file system
    of its own that keeps them.
    Raises what fsspec raises, ImportError for a missing backend among it.
    """
    protocols = {part.partition("://")[0] for part in url.split("::")}
    options = {name: make() for name, make in OPTIONS.items() if name in protocols}
    if remember:
        options = {
            name: {**one, "use_listings_cache": True, "skip_instance_cache": True} for name, one in options.items()
        }
    filesystem, path = fsspec.core.url_to_fs(url, **options)
    if "s3" in filesystem.protocol:
        filesystem.retries = BODY_TRIES
    return filesystem, str(path)


@functools.cache
def _s3() -> dict[str, Any]:
    retries = {"mode": "standard", "total_max_attempts": TRIES}
    timeouts = {"connect_timeout": CONNECT_SECONDS, "read_timeout": READ_SECONDS}
    return {"use_listings_cache": False, "config_kwargs": {"retries": retries, **timeouts}}


@functools.cache
def _web() -> dict[str, Any]:
    import aiohttp

    timeout = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_SECONDS, sock_read=READ_SECONDS)
    session = {
        "middlewares": (retry_middleware,),
        "timeout": timeout,
        "trust_env": True,
    }  # trust_env: proxies and ~/.netrc
    return {"use_listings_cache": False, "client_kwargs": session}


def _plain() -> dict[str, Any]:
    return {"use_listings_cache": False}


OPTIONS: Final[dict[str, Callable[[], dict[str, Any]]]] = {
    **dict.fromkeys(("s3", "s3a"), _s3),
    **dict.fromkeys(("http", "https"), _web),
    **dict.fromkeys(("gs", "gcs"), _plain),
}


async def retry_middleware(request: Any, handler: Any) -> Any:
    """Repeat a request to a web server that failed in a way that may pass, or whose byte range came back cut."""
    import aiohttp

    for left in range(TRIES - 1, -1, -1):
        try:
            response = await handler(request)
            if response.status == 206:
                await response.read()  # here, so that a cut is noticed while the request can be repeated
            if response.status not in RETRIED_STATUS or not left:
                return response
            response.release()
        except (aiohttp.ClientConnectionError, aiohttp.ClientPayloadError, TimeoutError):
            if not left:
                raise
        await asyncio.sleep(random.uniform(0, FIRST_WAIT_SECONDS * 2 ** (TRIES - 1 - left)))
    raise AssertionError
