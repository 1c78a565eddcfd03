"""Keep the answers of another engine in a file, so that no request is answered twice."""

import threading
from concurrent.futures import CancelledError, Future
from dataclasses import dataclass
from pathlib import Path

from curate.engines.answer_store import AnswerStore, request_digest
from curate.engines.engine import Completion, Engine, Request
from curate.engines.live import live
from curate.errors import EngineError, PlanError
from curate.models.chat_models import ChatFacts
from curate.stages import Resources

__all__ = ["Cached"]


@dataclass(frozen=True, repr=False)
class Cached:
    """Answers from `folder` what `engine` has answered before: a run that was killed, or is retried, pays the rest.

    Two requests are the same if the engine's `repr`, prompt, system, image, sampling, choices and schema are. Only
    good answers are kept, each as soon as it comes; equal requests of one process that are in work together are sent
    once. Where the cache is is placement: the `repr` is the engine's own. The folder must be on a disk of the
    worker's machine (SQLite's WAL does not work over NFS); workers of one machine share it. Nothing is ever dropped;
    to clear it, delete the folder while nothing runs.
    """

    engine: Engine
    folder: str

    def __post_init__(self) -> None:
        if not self.folder or "://" in self.folder:
            raise PlanError(f"Cached: folder is {self.folder!r}; it must be a folder on a local disk")

    def __repr__(self) -> str:
        return repr(self.engine)

    @property
    def name(self) -> str:
        return self.engine.name

    @property
    def facts(self) -> ChatFacts:
        return self.engine.facts

    @property
    def resources(self) -> Resources:
        return self.engine.resources

    def check(self) -> None:
        self.engine.check()
        try:
            _store(self)
        except EngineError as error:
            raise PlanError(str(error)) from error

    def start(self) -> None:
        live(self, _Running)

    def submit(self, request: Request) -> Future[Completion]:
        return live(self, _Running).submit(request)


def _store(config: Cached) -> AnswerStore:
    return live(Path(config.folder).expanduser(), AnswerStore)


class _Running:
    """The answers, and the engine behind them."""

    def __init__(self, config: Cached) -> None:
        self.engine, self.identity = config.engine, repr(config.engine)
        self.answers = _store(config)
        self.in_flight: dict[bytes, Future[Completion]] = {}
        self.lock = threading.Lock()
        self.engine.start()

    def submit(self, request: Request) -> Future[Completion]:
        """Return the answer that is kept, the one in flight for an equal request, or that of the engine."""
        digest = request_digest(self.identity, request)
        future: Future[Completion] = Future()
        with self.lock:  # an answer is kept before it leaves `in_flight`, so one of the two has it
            if shared := self.in_flight.get(digest):
                return shared
            if (kept := self.answers.get(digest)) is not None:
                future.set_result(kept)
                return future
            self.in_flight[digest] = future
        future.set_running_or_notify_cancel()  # others may wait for it, so no one may cancel it
        try:
            answer = self.engine.submit(request)
        except BaseException as error:
            self._finish(digest, future, error)
            raise
        answer.add_done_callback(lambda done: self._finish(digest, future, self._keep(digest, done)))
        return future

    def _keep(self, digest: bytes, done: Future[Completion]) -> Completion | BaseException:
        """Keep a good answer; return it, or why there is none."""
        if done.cancelled():
            return CancelledError()
        if (error := done.exception()) is not None:
            return error
        try:
            self.answers.put(digest, done.result())
        except EngineError as full:
            return full
        return done.result()

    def _finish(self, digest: bytes, future: Future[Completion], outcome: Completion | BaseException) -> None:
        with self.lock:
            del self.in_flight[digest]
        if isinstance(outcome, Completion):
            future.set_result(outcome)
        else:
            future.set_exception(outcome)
