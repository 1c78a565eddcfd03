"""Experts that ask a model: each says, per row, what it asks and what it makes of the answers.

An expert writes one generator function, a *conversation*: it yields requests, receives their completions in order, may
yield more, and returns the values of its columns. `scorer` runs the conversations of a batch together, so that the
engine always has the next request.

    def _describe(self, row: Row, image: Pixels, stage: str) -> Conversation:
        (answer,) = yield [Request(row["uid"], self.prompt.text, image)]
        return {"description": answer.text.strip()}

    def load(self) -> Scorer:
        self.engine.start()
        return scorer(self.adds, self.engine, partial(self._describe, stage=repr(self)))
"""

from collections.abc import Callable, Generator, Iterable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from itertools import repeat
from typing import Any, NamedTuple, TypeAlias

import pyarrow as pa

from curate.engines.engine import Completion, Engine, Request
from curate.errors import ContractError, SampleError
from curate.stages import Batch, Measurement, Scorer

__all__ = ["Conversation", "Converse", "Row", "To", "scorer"]

Row: TypeAlias = dict[str, Any]
"""One row of a batch as Python values: `uid` and the columns that the expert needs."""


class To(NamedTuple):
    """A request for another engine than the expert's own; the expert starts that one in its `load`, too."""

    engine: Engine
    request: Request


Conversation: TypeAlias = Generator[Iterable[Request | To], list[Completion], Mapping[str, Any] | None]
"""Yields requests, receives as many completions in order, none with an error, and returns values by column.

Requests may be a generator: each is taken when the engine has room, so that large images are made one by one. A column
that is left out is null; None leaves out all. To yield no requests receives no completions.
"""

Converse: TypeAlias = Callable[[Row, Any], Conversation]
"""Starts the conversation about a row and its decoded image (`Pixels`; None where the expert needs no pixels)."""


def scorer(adds: pa.Schema, engine: Engine | None, converse: Converse) -> Scorer:
    """Return the scorer of an expert that asks `engine`; null: its requests name other engines with `To`.

    Requests are submitted in the order of the rows, those of a second round after those of the first. The first error
    among a row's answers, or a SampleError that its conversation raises, is the row's: its values are null and it asks
    nothing more. Any other exception ends the batch: what waits is cancelled, and it is raised. `seconds` sums the
    latencies of a row's answers; null where nothing was asked.
    """

    def score(batch: Batch) -> Measurement:
        rows = batch.table.to_pylist()
        images = batch.images or repeat(None, len(rows))
        exchanges: list[_Exchange] = []
        try:
            for row, image in zip(rows, images, strict=True):
                exchanges.append(_Exchange(engine, converse(row, image)))
                exchanges[-1].begin()
            going = exchanges
            while going := [exchange for exchange in going if exchange.go_on()]:
                pass
            return _measurement(adds, exchanges)
        except BaseException:
            for exchange in exchanges:
                exchange.stop()
            raise

    return score


@dataclass(slots=True)
class _Exchange:
    """The conversation about one row: the answers it waits for, and its outcome."""

    engine: Engine | None
    conversation: Conversation
    answers: list[Future[Completion]] | None = None  # null: it is over
    values: Mapping[str, Any] = field(default_factory=dict)
    error: SampleError | None = None
    seconds: float | None = None

    def begin(self) -> None:
        """Submit what is asked first."""
        self._advance(None)

    def go_on(self) -> bool:
        """Wait for the answers and submit what is asked next; False when the conversation is over."""
        if self.answers is None:
            return False
        completions = [answer.result() for answer in self.answers]
        if completions:
            self.seconds = (self.seconds or 0.0) + sum(completion.latency_seconds for completion in completions)
        self.error = next((completion.error for completion in completions if completion.error), None)
        if self.error is None:
            self._advance(completions)
        else:
            self.stop()
        return self.answers is not None

    def stop(self) -> None:
        """End it early: answers still to come are not waited for."""
        for answer in self.answers or ():
            answer.cancel()
        self.answers = None
        self.conversation.close()

    def _advance(self, completions: list[Completion] | None) -> None:
        self.answers = None
        try:
            requests = next(self.conversation) if completions is None else self.conversation.send(completions)
            self.answers = []
            for request in requests:
                self.answers.append(self._submit(request))
        except StopIteration as end:
            self.values = end.value or {}
        except SampleError as error:
            self.error = error
            self.stop()

    def _submit(self, request: Request | To) -> Future[Completion]:
        if isinstance(request, To):
            return request.engine.submit(request.request)
        if self.engine is None:
            raise ContractError(f"request {request.id} has no engine; the expert has none, wrap it in To(engine, ...)")
        return self.engine.submit(request)


def _measurement(adds: pa.Schema, exchanges: list[_Exchange]) -> Measurement:
    names = set().union(*(exchange.values for exchange in exchanges))
    if unknown := sorted(names - set(adds.names)):
        raise ContractError(f"a conversation returned values of {unknown}, which the expert does not add")
    return Measurement(
        {name: [exchange.values.get(name) for exchange in exchanges] for name in adds.names},
        [exchange.error for exchange in exchanges],
        [exchange.seconds for exchange in exchanges],
    )
