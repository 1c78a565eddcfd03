"""The errors of storage backends, listed by name, and their translation into one sentence."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPException
from typing import Final

from fsspec.exceptions import BlocksizeMismatchError

from curate.errors import StoreError
from curate.storage.redact import mask_text, mask_url

__all__ = ["backend_errors", "error_reason", "fsspec_errors", "store_errors"]

# What fsspec's backends raise for a server, a network or a credential that fails and that is no OSError. A module is
# looked up, never imported: an error cannot come from a library that is not loaded.
ERRORS: Final = {
    "aiohttp": ("ClientError",),
    "azure.core.exceptions": ("AzureError",),
    "botocore.exceptions": ("BotoCoreError", "ClientError"),
    "botocore.parsers": ("ResponseParserError",),
    "gcsfs.retry": ("ChecksumError", "HttpError"),
    "google.auth.exceptions": ("GoogleAuthError",),
    "httpx": ("HTTPError",),
    "paramiko.ssh_exception": ("SSHException",),
    "requests": ("RequestException",),
    "urllib3.exceptions": ("HTTPError",),
}


def backend_errors() -> tuple[type[Exception], ...]:
    """Return the error classes of the backends that are loaded now, OSError among them.

    A TypeError or an IndexError is none of them: it is a bug, and surfaces as itself.
    """
    loaded = [(sys.modules[module], names) for module, names in ERRORS.items() if module in sys.modules]
    classes = [getattr(module, name) for module, names in loaded for name in names if hasattr(module, name)]
    return (OSError, HTTPException, BlocksizeMismatchError, *classes)


def error_reason(error: BaseException) -> str:
    """Return what an error says in one line, without passwords and signatures."""
    text = getattr(error, "strerror", None) or str(error)
    return " ".join(mask_text(text).split()) or type(error).__name__


@contextmanager
def store_errors(verb: str, url: str) -> Iterator[None]:
    """Turn the error of a backend into StoreError "cannot `verb` `url`: ..."; all other errors pass."""
    try:
        yield
    except backend_errors() as error:
        missing = verb == "read" and isinstance(error, FileNotFoundError)
        reason = "no such file" if missing else error_reason(error)
        raise StoreError(f"cannot {verb} {mask_url(url)}: {reason}") from error


@contextmanager
def fsspec_errors() -> Iterator[None]:
    """Make an OSError of a ValueError: fsspec and botocore raise it for bad addresses, names and settings.

    Only calls of fsspec belong inside, so that no ValueError of ours is hidden.
    """
    try:
        yield
    except ValueError as error:
        raise OSError(error_reason(error)) from error
