"""Answer requests with a function: for tests, demos and dry runs."""

import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field

from curate.engines.engine import Completion, Request
from curate.errors import SampleError
from curate.models.chat_models import UNKNOWN, ChatFacts
from curate.stages import Resources

__all__ = ["FakeEngine"]


@dataclass(frozen=True, slots=True)
class FakeEngine:
    """Answers every request with `reply(request)`; a SampleError that `reply` raises becomes the completion's error.

    Use a module-level function so that the engine can be sent to workers. `name` is the identity: two replies that
    differ need two names. A reply of more words than `max_tokens` is cut, one word a token. A reply may be a pair of
    text and confidence; the fake does not check it against `choices` or `json_schema`.
    """

    reply: Callable[[Request], str | tuple[str, float]] = field(repr=False)
    name: str = "fake"
    resources: Resources = field(default=Resources(), repr=False)
    facts: ChatFacts = field(default=UNKNOWN, repr=False)

    def check(self) -> None:
        """Nothing can be missing."""

    def start(self) -> None:
        """Nothing has to start."""

    def submit(self, request: Request) -> Future[Completion]:
        """Return an answer that is already there."""
        future: Future[Completion] = Future()
        future.set_result(self._answer(request))
        return future

    def _answer(self, request: Request) -> Completion:
        start = time.perf_counter()
        try:
            reply = self.reply(request)
        except SampleError as error:
            return Completion("", None, 0, 0, time.perf_counter() - start, error)
        text, confidence = (reply, None) if isinstance(reply, str) else reply
        words = text.split(" ")
        reason = "length" if len(words) > request.max_tokens else "stop"
        words = words[: request.max_tokens]
        tokens = len(request.prompt.split()) + len((request.system or "").split())
        seconds = time.perf_counter() - start
        return Completion(" ".join(words), reason, tokens, len(words), seconds, confidence=confidence)
