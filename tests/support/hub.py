"""A hub on this machine: Hugging Face's API and ultralytics' releases over a folder, as far as fetching goes.

with local_hub({"org/model": {"config.json": b"{}"}}, {"v8.4.0": {"yolo11x.pt": b"..."}}) as hub:
    monkeypatch.setenv("HF_ENDPOINT", hub.url)
    monkeypatch.setenv("CURATE_ULTRALYTICS_URL", f"{hub.url}/releases")
"""

import hashlib
import json
import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

__all__ = ["LocalHub", "commit_of", "folder_files", "local_hub"]

SMALL = 10_000  # bytes: larger files are in LFS, where a hub knows their SHA-256

Files = Mapping[str, bytes]


def commit_of(files: Files) -> str:
    """Return the commit that the hub gives a repository: a digest of its files."""
    parts = [f"{path} {hashlib.sha1(content).hexdigest()}" for path, content in sorted(files.items())]
    return hashlib.sha1("\n".join(parts).encode()).hexdigest()


def folder_files(folder: Path) -> dict[str, bytes]:
    """Return a folder's files as a repository."""
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@dataclass
class LocalHub:
    """What the hub has, and what it was asked for: `asked` counts paths, `sent` bytes of files.

    `commits` are names that stand for a repository's content besides its own commit, as pinned ones do here. `cut`
    files end after so many bytes, once; `private` repositories want a token; with `redirect` files are on another hub.
    """

    url: str
    repositories: Mapping[str, Files]
    releases: Mapping[str, Files]
    commits: Mapping[str, str] = field(default_factory=dict)
    cut: dict[str, int] = field(default_factory=dict)
    private: frozenset[str] = frozenset()
    licence: str = "apache-2.0"
    redirect: str = ""
    tokens: set[str] = field(default_factory=set)
    asked: Counter[str] = field(default_factory=Counter)
    sent: int = 0


@contextmanager
def local_hub(
    repositories: Mapping[str, Files], releases: Mapping[str, Files] | None = None, **facts: Any
) -> Iterator[LocalHub]:
    """Serve repositories by name, and release files by tag, on a port of this machine."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    server.daemon_threads = True
    hub = LocalHub(f"http://127.0.0.1:{server.server_port}", repositories, releases or {}, **facts)
    server.hub = hub  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        hub: LocalHub = self.server.hub  # type: ignore[attr-defined]
        path = unquote(urlsplit(self.path).path).strip("/")
        hub.asked[path] += 1
        hub.tokens |= {self.headers["Authorization"]} - {None}
        parts = path.split("/")
        name = "/".join(parts[2:4]) if parts[:2] == ["api", "models"] else "/".join(parts[:2])
        if name in hub.private and "Authorization" not in self.headers:
            return self._answer(401, b"")
        if parts[:2] == ["api", "models"] and name in hub.repositories and self._is_here(hub, name, parts[5]):
            return self._answer(200, json.dumps(_facts(hub, name)).encode())
        if hub.redirect and parts[:1] != ["api"]:
            return self._answer(302, b"", f"{hub.redirect}/{path}")
        if parts[0] == "releases":
            content = hub.releases.get(parts[1], {}).get(parts[2])
        elif len(parts) > 4 and parts[2] == "resolve" and self._is_here(hub, name, parts[3]):
            content = hub.repositories.get(name, {}).get("/".join(parts[4:]))
        else:
            content = None
        return self._answer(404, b"") if content is None else self._send_file(hub, path, content)

    def _is_here(self, hub: LocalHub, name: str, revision: str) -> bool:
        return revision in ("main", commit_of(hub.repositories[name]), hub.commits.get(name))

    def _send_file(self, hub: LocalHub, path: str, content: bytes) -> None:
        start = int((self.headers.get("Range") or "bytes=0-").removeprefix("bytes=").partition("-")[0])
        body = content[start:]
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        end = hub.cut.pop(path.rpartition("/")[2], None)
        hub.sent += len(body[:end])
        self.wfile.write(body[:end])
        if end is not None:
            self.close_connection = True

    def _answer(self, status: int, body: bytes, location: str = "") -> None:
        self.send_response(status)
        if location:
            self.send_header("Location", location)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


def _facts(hub: LocalHub, name: str) -> dict[str, Any]:
    files = hub.repositories[name]
    siblings = [
        {
            "rfilename": path,
            "size": len(content),
            "blobId": hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest(),
        }
        | (
            {"lfs": {"size": len(content), "sha256": hashlib.sha256(content).hexdigest()}}
            if len(content) > SMALL
            else {}
        )
        for path, content in files.items()
    ]
    sha = hub.commits.get(name) or commit_of(files)
    return {"id": name, "sha": sha, "siblings": siblings, "cardData": {"license": hub.licence}}
