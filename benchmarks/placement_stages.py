"""Stages that sleep for what real ones cost, so that two cores can stand for a machine room."""

import hashlib
import threading
import time
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from curate.engines.engine import Completion, Request
from curate.models.chat_models import UNKNOWN, ChatFacts
from curate.stages import Batch, Measurement, Resources, Scorer
from schemas.fields import column

__all__ = ["Keep", "SleepingEngine", "Sleeps", "Writes"]


@dataclass(frozen=True)
class Sleeps:
    """Adds a number in [0, 1) by a sample's uid, after `seconds` a row; its models take `load_seconds`."""

    name: str
    seconds: float = field(repr=False)
    resources: Resources = field(default=Resources(batch_rows=16), repr=False, compare=False)
    load_seconds: float = field(default=0.0, repr=False)
    pixels: int | None = field(default=8, repr=False)
    version: ClassVar[int] = 1
    needs: ClassVar[tuple[str, ...]] = ()

    @property
    def adds(self) -> pa.Schema:
        return _column(self.name)

    def check(self) -> None:
        return None

    def load(self) -> Scorer:
        time.sleep(self.load_seconds)
        return lambda batch: _sleep(self.name, batch, self.seconds)


@dataclass(frozen=True)
class SleepingEngine:
    """An engine that answers nothing: what holds it sleeps in its place, one batch after another."""

    name: str
    resources: Resources = field(repr=False, compare=False)
    facts: ClassVar[ChatFacts] = UNKNOWN

    def check(self) -> None:
        return None

    def start(self) -> None:
        return None

    def submit(self, request: Request) -> Future[Completion]:
        raise NotImplementedError(f"{self.name} is asked nothing")


@dataclass(frozen=True)
class Writes:
    """Holds an engine that takes `load_seconds` to start and `seconds` for a row, however many threads ask."""

    name: str
    engine: SleepingEngine
    seconds: float = field(repr=False)
    load_seconds: float = field(default=0.0, repr=False)
    version: ClassVar[int] = 1
    needs: ClassVar[tuple[str, ...]] = ()
    pixels: ClassVar[int | None] = None

    @property
    def adds(self) -> pa.Schema:
        return _column(self.name)

    @property
    def resources(self) -> Resources:
        return self.engine.resources

    def check(self) -> None:
        return None

    def load(self) -> Scorer:
        time.sleep(self.load_seconds)
        lock = threading.Lock()

        def scorer(batch: Batch) -> Measurement:
            with lock:
                return _sleep(self.name, batch, self.seconds)

        return scorer


@dataclass(frozen=True)
class Keep:
    """Keeps a share of the samples, by the number that a stage gave them; of those whose text is "late" another."""

    name: str
    share: float
    late: float

    @property
    def needs(self) -> tuple[str, ...]:
        return (self.name, "alt_text")

    def keep(self, table: pa.Table) -> pa.ChunkedArray:
        bound = pc.if_else(pc.equal(table["alt_text"], "late"), self.late, self.share)
        return pc.less(table[self.name], bound)


def _sleep(name: str, batch: Batch, seconds: float) -> Measurement:
    time.sleep(seconds * len(batch))
    digests = [
        hashlib.blake2b(f"{name}{uid}".encode(), digest_size=4).digest() for uid in batch.table["uid"].to_pylist()
    ]
    return Measurement({name: np.array([int.from_bytes(each, "big") / 2**32 for each in digests], np.float32)})


def _column(name: str) -> pa.Schema:
    doc = "A number by the sample's uid."
    return pa.schema([column(name, pa.float32(), unit="share", null="not measured", producer=name, doc=doc)])
