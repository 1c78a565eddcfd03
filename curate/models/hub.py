"""Ask a hub what a model consists of: Hugging Face, the release files of ultralytics, or a plain address.

`HF_ENDPOINT` and `HF_TOKEN` mean what they mean to Hugging Face's own tools; `CURATE_ULTRALYTICS_URL` is another place
for ultralytics' releases. Everything else about the network (proxies, certificates) is as Python's urllib finds it.
"""

import json
import os
import threading
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from curate.errors import PlanError
from curate.models.known import find_known, known_names, pinned_revision
from curate.models.names import hub_of
from curate.models.near import did_you_mean

__all__ = ["HubError", "Listing", "RemoteFile", "ask_hub", "open_file"]

T = TypeVar("T")

SILENCE_SECONDS: Final = 20.0  # of one connection: then it counts as dead
ANSWER_SECONDS: Final = 45.0  # of all that is asked before the first file comes, retries and name look-ups included
ULTRALYTICS: Final = "https://github.com/ultralytics/assets/releases/download"


class HubError(PlanError):
    """A hub does not answer, or has no such model; the message says which hub and what it said.

    `passes`: the same request may work a little later.
    """

    def __init__(self, message: str, passes: bool = False) -> None:
        super().__init__(message)
        self.passes = passes


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """A file that a hub has; size and digests null where the hub does not tell."""

    path: str
    url: str
    bytes: int | None = None
    sha256: str | None = None
    git_sha1: str | None = None


@dataclass(frozen=True, slots=True)
class Listing:
    """What a hub says of one revision of a model; `licence` is "unknown" where it says nothing."""

    name: str
    revision: str
    licence: str
    files: tuple[RemoteFile, ...]


def ask_hub(name: str, revision: str) -> Listing:
    """Return what a model consists of; "" is the hub's main revision. Answers, or raises HubError, within a minute."""
    hub = hub_of(name)
    if hub == "huggingface":
        return _within(ANSWER_SECONDS, lambda: _ask_huggingface(name, revision))
    known = find_known(name)
    licence, digests = (
        (known.licence, known.sha256) if known else ("AGPL-3.0" if hub == "ultralytics" else "unknown", {})
    )
    if hub == "ultralytics":
        release = revision or pinned_revision(name)
        base = os.environ.get("CURATE_ULTRALYTICS_URL", ULTRALYTICS).rstrip("/")
        right = (
            known is not None and base == ULTRALYTICS and release == known.revision
        )  # a mirror may hold what it likes
        file = RemoteFile(name, f"{base}/{release}/{name}", sha256=digests.get(name) if right else None)
        return Listing(name, release, licence, (file,))
    if hub == "url":
        path = name.rpartition("/")[2]
        return Listing(name, revision, licence, (RemoteFile(path, name, sha256=digests.get(path)),))
    raise HubError(f"{name!r} is no model that a hub knows: give a hub's owner/name, a file, or a folder")


def open_file(file: RemoteFile, start: int = 0) -> Any:
    """Return the response whose body is a file from byte `start` on; its `status` is 206 if the hub can do that."""
    headers = {"Range": f"bytes={start}-"} if start else {}
    return _within(SILENCE_SECONDS, lambda: _open(file.url, headers))


def _ask_huggingface(name: str, revision: str) -> Listing:
    base = os.environ.get("HF_ENDPOINT", "https://huggingface.co").rstrip("/")
    asked = urllib.parse.quote(revision or "main", safe="")
    with _open(f"{base}/api/models/{name}/revision/{asked}?blobs=true") as response:
        data = json.load(response)
    try:
        commit = str(data["sha"])
        files = tuple(_file(f"{base}/{name}/resolve/{commit}", sibling) for sibling in data["siblings"])
    except (LookupError, TypeError) as error:
        raise HubError(f"{base} does not answer as a Hugging Face hub does when asked for {name}") from error
    known = find_known(name)
    card = data.get("cardData") or {}
    licence = known.licence if known else _spdx(str(card.get("license_name") or card.get("license") or "unknown"))
    return Listing(name, commit, licence, files)


def _file(base: str, sibling: dict[str, Any]) -> RemoteFile:
    path, lfs = str(sibling["rfilename"]), sibling.get("lfs") or {}
    if path.startswith("/") or ".." in path.split("/"):
        raise HubError(f"the hub names a file {path!r}, outside the model's folder")
    return RemoteFile(
        path,
        f"{base}/{urllib.parse.quote(path)}",
        lfs.get("size", sibling.get("size")),
        lfs.get("sha256"),
        None if lfs else sibling.get("blobId"),
    )


def _spdx(licence: str) -> str:
    common = {"apache-2.0": "Apache-2.0", "mit": "MIT", "agpl-3.0": "AGPL-3.0", "cc-by-4.0": "CC-BY-4.0"}
    return common.get(licence.lower(), licence)


def _open(url: str, headers: dict[str, str] | None = None) -> Any:
    request = urllib.request.Request(url, headers={"User-Agent": "curate", **(headers or {})})
    token, endpoint = os.environ.get("HF_TOKEN"), os.environ.get("HF_ENDPOINT", "https://huggingface.co")
    if token and url.startswith(endpoint):
        request.add_unredirected_header("Authorization", f"Bearer {token}")  # a redirect goes to another host
    host = urllib.parse.urlsplit(url).netloc
    try:
        return urllib.request.urlopen(request, timeout=SILENCE_SECONDS)
    except urllib.error.HTTPError as error:
        error.close()
        raise HubError(_refusal(url, host, error), passes=error.code == 429 or error.code >= 500) from error
    except (urllib.error.URLError, OSError) as error:
        reason = getattr(error, "reason", error)
        raise HubError(f"{host} does not answer ({reason})", passes=True) from error


def _refusal(url: str, host: str, error: urllib.error.HTTPError) -> str:
    path = urllib.parse.unquote(urllib.parse.urlsplit(url).path).strip("/")
    name, _, revision = path.removeprefix("api/models/").partition("/revision/")
    what = f"{name} at revision {revision}" if revision else name
    if error.code in (401, 403):
        return (
            f"{host} does not give out {what} ({error.code}): there is no such model, or it must be asked for; accept "
            "its licence on its page and set HF_TOKEN"
        )
    if error.code in (404, 410):
        near = did_you_mean(name, known_names()) if revision else ""
        return f"{host} has no {what}; look at the spelling of name and revision{near}"
    return f"{host} answers {error.code} {error.reason} when asked for {what}"


def _within(seconds: float, call: Callable[[], T]) -> T:
    """Return what `call` returns, or raise HubError when it takes longer, as a name with many dead addresses does."""
    done: list[T] = []
    failed: list[BaseException] = []

    def work() -> None:
        try:
            done.append(call())
        except BaseException as error:  # noqa: BLE001 (raised again below, in the caller's thread)
            failed.append(error)

    thread = threading.Thread(target=work, name="ask-hub", daemon=True)
    thread.start()
    thread.join(seconds)
    if failed:
        raise failed[0]
    if not done:
        raise HubError(f"the hub does not answer within {seconds:.0f} seconds", passes=True)
    return done[0]
