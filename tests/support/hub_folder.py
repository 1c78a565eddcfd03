"""A hub that is a folder behind a plain web server: what it answers is laid out as files.

    api/models/OWNER/NAME/revision/COMMIT     the answer about a repository, in JSON
    OWNER/NAME/resolve/COMMIT/...             its files
    releases/RELEASE/FILE                     a release file of ultralytics

The models are true architectures with made weights, see tests/support/weights, under the names and revisions for which
a recipe asks.
"""

import hashlib
import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from curate.models.names import hub_of
from curate.models.weights import Weights

__all__ = ["HubFolder", "serve"]

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class HubFolder:
    """A folder that is served at `url`; nothing is in it until it is added."""

    folder: Path
    url: str

    @property
    def environment(self) -> dict[str, str]:
        """The variables that lead to it."""
        return {"HF_ENDPOINT": self.url, "CURATE_ULTRALYTICS_URL": f"{self.url}/releases"}

    def add(self, weights: Weights) -> None:
        """Make a model and publish it, once; it appears whole, after its files."""
        if hub_of(weights.where) == "ultralytics":
            if not (self.folder / "releases" / weights.revision / weights.where).exists():
                _make(weights.where, self.folder / "releases" / weights.revision)
            return
        answer = self.folder / "api" / "models" / weights.where / "revision" / weights.revision
        if answer.exists():
            return
        files = self.folder / weights.where / "resolve" / weights.revision
        _make(weights.where, files)
        answer.parent.mkdir(parents=True, exist_ok=True)
        answer.write_text(json.dumps(_facts(weights, files)))


def _make(name: str, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "tests.support.weights.make", name, str(folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{name} cannot be made:\n{done.stderr[-3000:]}"


def _facts(weights: Weights, folder: Path) -> dict[str, Any]:
    """Return what Hugging Face answers about a revision: every file with size and digest."""
    siblings = []
    for path in sorted(folder.rglob("*")):
        with path.open("rb") as stream:
            size, digest = path.stat().st_size, hashlib.file_digest(stream, "sha256").hexdigest()
        lfs = {"size": size, "sha256": digest}
        siblings.append({"rfilename": path.relative_to(folder).as_posix(), "size": size, "lfs": lfs})
    card = {"license": "apache-2.0"}
    return {"id": weights.where, "sha": weights.revision, "siblings": siblings, "cardData": card}


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@contextmanager
def serve(folder: Path) -> Iterator[HubFolder]:
    """Serve a folder on a port of this machine."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(folder)))
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    try:
        yield HubFolder(folder, f"http://127.0.0.1:{server.server_port}")
    finally:
        server.shutdown()
        server.server_close()
