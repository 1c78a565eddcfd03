"""An engine that asks nothing twice."""

import functools
import threading
from collections.abc import Iterable, Iterator
from concurrent.futures import CancelledError, Future
from dataclasses import dataclass
from pathlib import Path

from curate.engines.answer_store import AnswerStore, request_digest
from curate.engines.engine import Completion, Engine, Generate, Request, Submits
from curate.errors import EngineError, PlanError
from curate.stages import Resources

__all__ = ["Cached"]


@dataclass(frozen=True, repr=False)
class Cached:
    """Answers from `folder` what `engine` has answered before: a run that was killed, or is retried, pays the rest.

    Two requests are the same if the engine's `repr`, prompt, system, image, sampling, choices and schema are. Only
    good answers are kept, each as soon as it comes if the engine `Submits`, else when a batch is through; equal
    requests of one process that are in work together are asked once. Where the cache is is placement: the `repr` is
    the engine's own. The folder must be on a disk of the worker's machine (SQLite's WAL does not work over NFS);
    workers of one machine share it. Nothing is ever dropped; to clear it, delete the folder while nothing runs.
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
    def resources(self) -> Resources:
        return self.engine.resources

    def check(self) -> None:
        self.engine.check()
        try:
            _answers(self.folder)
        except EngineError as error:
            raise PlanError(str(error)) from error

    def start(self) -> None:
        self.load()

    def submit(self, request: Request) -> Future[Completion]:
        with _STARTING:
            running = _running(self)
        return running.submit(request)

    def load(self) -> Generate:
        with _STARTING:
            return _running(self)


_STARTING = threading.Lock()


@functools.cache
def _answers(folder: str) -> AnswerStore:
    return AnswerStore(Path(folder).expanduser())


@functools.cache
def _running(config: Cached) -> "_Cache":
    return _Cache(config)


class _Cache:
    """The engine behind its answers."""

    def __init__(self, config: Cached) -> None:
        self.identity = repr(config.engine)
        self.answers = _answers(config.folder)
        self.generate = config.engine.load()
        self.flying: dict[bytes, Future[Completion]] = {}
        self.lock = threading.Lock()

    def __call__(self, requests: Iterable[Request]) -> list[Completion]:
        answers = self._one_by_one(requests) if isinstance(self.generate, Submits) else self._all_at_once(requests)
        self.answers.save()
        return answers

    def submit(self, request: Request) -> Future[Completion]:
        """Return the answer to come, kept, in work for an equal request, or asked now."""
        future: Future[Completion] = Future()
        if not isinstance(self.generate, Submits):
            future.set_result(self._all_at_once([request])[0])
            return future
        digest = request_digest(self.identity, request)
        with self.lock:  # an answer is put before it leaves `flying`, so one of the two has it
            if shared := self.flying.get(digest):
                return shared
            if (kept := self.answers.get(digest)) is not None:
                future.set_result(kept)
                return future
            self.flying[digest] = future
        future.set_running_or_notify_cancel()  # others may wait for it, so no one may cancel it
        try:
            asked = self.generate.submit(request)
        except BaseException as error:
            self._land(digest, future, error)
            raise
        asked.add_done_callback(lambda done: self._pass_on(digest, future, done))
        return future

    def _pass_on(self, digest: bytes, future: Future[Completion], done: Future[Completion]) -> None:
        if done.cancelled():
            return self._land(digest, future, CancelledError())
        if (error := done.exception()) is not None:
            return self._land(digest, future, error)
        self.answers.put(digest, done.result())
        return self._land(digest, future, done.result())

    def _land(self, digest: bytes, future: Future[Completion], result: Completion | BaseException) -> None:
        with self.lock:
            del self.flying[digest]
        if isinstance(result, Completion):
            future.set_result(result)
        else:
            future.set_exception(result)

    def _one_by_one(self, requests: Iterable[Request]) -> list[Completion]:
        waiting = [self.submit(request) for request in requests]
        return [future.result() for future in waiting]

    def _all_at_once(self, requests: Iterable[Request]) -> list[Completion]:
        """Feed the engine what is not known, as it takes it: a hit does not hold up the next miss."""
        digests: list[bytes] = []
        answers: dict[bytes, Completion] = {}
        asked: dict[bytes, None] = {}

        def unknown() -> Iterator[Request]:
            for request in requests:
                digest = request_digest(self.identity, request)
                digests.append(digest)
                if digest in asked or digest in answers:
                    continue
                if (kept := self.answers.get(digest)) is not None:
                    answers[digest] = kept
                else:
                    asked[digest] = None
                    yield request

        for digest, answer in zip(asked, self.generate(unknown()), strict=True):
            self.answers.put(digest, answer)
            answers[digest] = answer
        return [answers[digest] for digest in digests]
