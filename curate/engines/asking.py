"""Experts that ask a model: each says, per row, what it asks and what it makes of the answers.

An expert writes one generator function, a *conversation*: it yields requests, receives their completions in order, may
yield more, and returns the values of its columns. `scorer` runs the conversations of a batch together, so that the
engine always has the next request.

    def _describe(self, row: Row, image: Pixels | None, stage: str) -> Conversation:
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
from curate.errors import SampleError
from curate.stages import Batch, Measurement, Pixels, Scorer

__all__ = ["Conversation", "Converse", "Row", "To", "scorer"]

Row: TypeAlias = dict[str, Any]
"""One row of a batch as Python values: `uid` and the columns that the expert needs."""


class To(NamedTuple):
    """A request for another engine than the expert's own."""

    engine: Engine
    request: Request


Conversation: TypeAlias = Generator[Iterable[Request | To], list[Completion], Mapping[str, Any]]
"""Yields requests (lazily where images are large: each is taken when the engine has room), receives as many
completions in order, none with an error, and returns values by column; a column left out is null.
"""

Converse: TypeAlias = Callable[[Row, Pixels | None], Conversation]
"""Starts the conversation about a row; the image is decoded, or null where the expert needs no pixels."""


def scorer(adds: pa.Schema, engine: Engine | None, converse: Converse) -> Scorer:
    """Return the scorer of an expert that asks `engine`; null: only engines that its requests name with `To`.

    The first error among a row's answers, or a SampleError that its conversation raises, is the row's: its values are
    null and nothing more is asked. `seconds` sums the latencies of a row's answers; null where nothing was asked.
    """

    def score(batch: Batch) -> Measurement:
        rows = batch.table.to_pylist()
        images = batch.images or repeat(None, len(rows))
        talks: list[_Talk] = []
        try:
            for row, image in zip(rows, images, strict=True):
                talks.append(_Talk(engine, converse(row, image)))
                talks[-1].start()
            waiting = talks
            while waiting := [talk for talk in waiting if talk.goes_on()]:
                pass
        except BaseException:
            for talk in talks:
                talk.cancel()
            raise
        columns = {name: [talk.values.get(name) for talk in talks] for name in adds.names}
        return Measurement(columns, [talk.error for talk in talks], [talk.seconds for talk in talks])

    return score


@dataclass(slots=True)
class _Talk:
    """The conversation about one row, and what came of it."""

    engine: Engine | None
    talk: Conversation
    open: list[Future[Completion]] | None = None  # null: it is over
    values: Mapping[str, Any] = field(default_factory=dict)
    error: SampleError | None = None
    seconds: float | None = None

    def start(self) -> None:
        """Submit what is asked first."""
        self._resume(None)

    def goes_on(self) -> bool:
        """Wait for the answers and submit what is asked next; False when it is over."""
        if self.open is None:
            return False
        answers = [future.result() for future in self.open]
        if answers:
            self.seconds = (self.seconds or 0.0) + sum(answer.latency_seconds for answer in answers)
        self.error = next((answer.error for answer in answers if answer.error), None)
        if self.error is not None:
            self.cancel()
        else:
            self._resume(answers)
        return self.open is not None

    def cancel(self) -> None:
        """End it early: answers still to come are not waited for."""
        for future in self.open or ():
            future.cancel()
        self.open = None
        self.talk.close()

    def _resume(self, answers: list[Completion] | None) -> None:
        self.open = None
        try:
            asked = next(self.talk) if answers is None else self.talk.send(answers)
            self.open = []
            for request in asked:
                self.open.append(self._submit(request))
        except StopIteration as done:
            self.values = done.value or {}
        except SampleError as error:
            self.error = error
            self.cancel()

    def _submit(self, request: Request | To) -> Future[Completion]:
        to, request = request if isinstance(request, To) else (self.engine, request)
        assert to is not None, "a request without an engine"
        return to.submit(request)
