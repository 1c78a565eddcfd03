"""What an engine is: it turns requests into completions, wherever its model runs."""

from collections.abc import Iterable
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

from curate.errors import SampleError
from curate.models.chat_models import ChatFacts
from curate.stages import Pixels, Resources

__all__ = ["Completion", "Engine", "Request", "generate"]


@dataclass(frozen=True, slots=True)
class Request:
    """One chat turn about at most one image.

    `id` names the request in logs; `seed` makes sampling repeatable; `image` is already at its pixel budget. With
    `choices` the answer is exactly one of them, and `Completion.confidence` is its probability; with `json_schema`, a
    JSON Schema as text, it is JSON of that schema. Both are guided decoding: the engine cannot write
    anything else, unless `max_tokens` cuts it short. At most one of the two.
    """

    id: str
    prompt: str
    image: Pixels | None = field(default=None, repr=False, compare=False)
    system: str | None = None
    max_tokens: int = 256
    temperature: float = 0.0
    top_p: float = 1.0
    seed: int = 0
    choices: tuple[str, ...] = ()
    json_schema: str | None = None


@dataclass(frozen=True, slots=True)
class Completion:
    """The answer: `finish_reason` is "stop", "length", ...; `error` is set when none is usable (then text is "").

    `confidence`, in [0, 1], is the probability that the model gave to all tokens of its answer, out of its whole
    vocabulary; null without `choices`, or where an engine does not tell.
    """

    text: str
    finish_reason: str | None
    prompt_tokens: int
    completion_tokens: int
    latency_seconds: float
    error: SampleError | None = None
    confidence: float | None = None


@runtime_checkable
class Engine(Protocol):
    """Turns requests into completions. A frozen dataclass; its `repr` is part of the identity of what it writes."""

    @property
    def name(self) -> str:
        """The model's name, as recorded beside each text."""

    @property
    def facts(self) -> ChatFacts:
        """What is known of the model's family: how it is shown images and boxes, and whether it thinks."""

    @property
    def resources(self) -> Resources:
        """What a worker that holds the engine needs."""

    def check(self) -> None:
        """Raise PlanError if an extra, a weight file or a setting is missing; runs on the driver before any work."""

    def start(self) -> None:
        """Start it, unless an equal one already runs in this process; once per worker, never on the driver."""

    def submit(self, request: Request) -> Future[Completion]:
        """Return the answer to come; waits while too many are in flight, and starts the engine if it does not run.

        Thread-safe: several threads share the engine and its bound. The future raises EngineError if the engine dies.
        """


def generate(engine: Engine, requests: Iterable[Request]) -> list[Completion]:
    """Answer requests in order; takes each one only when the engine has room for it.

    The first exception of the engine or of `requests` is raised, and what is still waiting is cancelled.
    """
    waiting: list[Future[Completion]] = []
    try:
        waiting.extend(map(engine.submit, requests))
        return [future.result() for future in waiting]
    except BaseException:
        for future in waiting:
            future.cancel()
        raise
