"""Keep answers in an SQLite file, by the digest of their requests."""

import atexit
import hashlib
import json
import os
import sqlite3
import threading
import time
from pathlib import Path
from typing import Final

from curate.engines.engine import Completion, Request
from curate.errors import EngineError

__all__ = ["AnswerStore", "request_digest"]

FILE: Final = "answers.sqlite"
FORMAT_VERSION: Final = 1  # of the table and of the digests
BUSY_SECONDS: Final = 60.0  # how long another process may keep the file locked
TABLE: Final = """CREATE TABLE IF NOT EXISTS answers (
    digest BLOB PRIMARY KEY, text BLOB NOT NULL, finish_reason TEXT,
    prompt_tokens INTEGER NOT NULL, completion_tokens INTEGER NOT NULL, confidence REAL
) WITHOUT ROWID"""


def request_digest(engine: str, request: Request) -> bytes:
    """Return 16 bytes over all that decides an answer: the engine's repr, the texts, the pixels, the sampling.

    `id` does not count, and neither does the seed of a greedy request.
    """
    shape = None if request.image is None else (*request.image.shape, str(request.image.dtype))
    key = (
        FORMAT_VERSION,
        engine,
        request.prompt,
        request.system,
        request.max_tokens,
        request.temperature,
        request.top_p,
    )
    seed = request.seed if request.temperature > 0 else None
    total = hashlib.blake2b(
        json.dumps((*key, seed, request.choices, request.json_schema, shape)).encode(), digest_size=16
    )
    if request.image is not None:
        total.update(b"\0")
        total.update(request.image.tobytes())
    return total.digest()


class AnswerStore:
    """A table in `folder/answers.sqlite`, safe for several threads and processes of one machine.

    A thread of its own writes: `put` costs microseconds, and `get` returns at once what was put. A killed process
    loses the answers of the last milliseconds at most. Raises EngineError if the file is damaged or locked.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / FILE
        self.unsaved: dict[bytes, Completion] = {}
        self.failure: str | None = None
        self.changed = threading.Condition()
        self.reading = threading.Lock()
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self.reader, self.writer = self._open(), self._open()
        except (OSError, sqlite3.Error) as error:
            raise EngineError(self._sentence(error)) from error
        threading.Thread(target=self._write_forever, name="answers", daemon=True).start()
        atexit.register(self.save)

    def get(self, digest: bytes) -> Completion | None:
        """Return the kept answer; its latency is that of the look-up."""
        start = time.perf_counter()
        if (kept := self.unsaved.get(digest)) is not None:
            return kept
        try:
            with self.reading:
                row = self.reader.execute("SELECT * FROM answers WHERE digest = ?", (digest,)).fetchone()
        except sqlite3.Error as error:
            raise EngineError(self._sentence(error)) from error
        if row is None:
            return None
        _, text, reason, prompt_tokens, completion_tokens, confidence = row
        text = text.decode("utf-8", "surrogatepass")
        seconds = time.perf_counter() - start
        return Completion(text, reason, prompt_tokens, completion_tokens, seconds, confidence=confidence)

    def put(self, digest: bytes, answer: Completion) -> None:
        """Keep an answer, unless it is an error; raises EngineError if an earlier one could not be written."""
        if answer.error is None:
            with self.changed:
                if self.failure:
                    raise EngineError(self.failure)
                self.unsaved[digest] = answer
                self.changed.notify_all()

    def save(self) -> None:
        """Wait until all that was put is in the file; raises EngineError if it cannot be written."""
        with self.changed:
            self.changed.wait_for(lambda: not self.unsaved or self.failure)
            if self.failure:
                raise EngineError(self.failure)

    def _write_forever(self) -> None:
        while True:
            with self.changed:
                self.changed.wait_for(lambda: self.unsaved)
                batch = dict(self.unsaved)
            try:
                self._write(batch)
            except sqlite3.Error as error:
                with self.changed:
                    self.failure = self._sentence(error)
                    self.changed.notify_all()
                return
            with self.changed:
                for digest in batch:
                    del self.unsaved[digest]
                self.changed.notify_all()

    def _write(self, batch: dict[bytes, Completion]) -> None:
        rows = [
            (
                digest,
                each.text.encode("utf-8", "surrogatepass"),
                each.finish_reason,
                each.prompt_tokens,
                each.completion_tokens,
                each.confidence,
            )
            for digest, each in batch.items()
        ]
        with self.writer:
            self.writer.executemany("INSERT OR IGNORE INTO answers VALUES (?, ?, ?, ?, ?, ?)", rows)

    def _open(self) -> sqlite3.Connection:
        file = sqlite3.connect(self.path, timeout=BUSY_SECONDS, check_same_thread=False)
        deadline = time.monotonic() + BUSY_SECONDS
        while True:
            try:
                return self._prepared(file)
            except sqlite3.OperationalError as error:  # two that create it at once: SQLite does not wait here
                if "locked" not in str(error) or time.monotonic() > deadline:
                    raise
                time.sleep(0.05)

    def _prepared(self, file: sqlite3.Connection) -> sqlite3.Connection:
        file.execute("PRAGMA journal_mode = WAL")
        file.execute("PRAGMA synchronous = NORMAL")
        (version,) = file.execute("PRAGMA user_version").fetchone()
        if version not in (0, FORMAT_VERSION):
            raise sqlite3.DatabaseError(f"its format is {version}, this version of Curate writes {FORMAT_VERSION}")
        with file:
            file.execute(TABLE)
            file.execute(f"PRAGMA user_version = {FORMAT_VERSION}")
        return file

    def _sentence(self, error: BaseException) -> str:
        return (
            f"the answer cache {os.fspath(self.path)} cannot be used ({error}); free or repair its disk, or delete it: "
            "the requests whose answers it held are then sent, and paid, again"
        )
