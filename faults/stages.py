"""Experts that notice everything: their values depend on the batch they were measured in."""

import ctypes
import hashlib
import os
import signal
import time
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from curate.engines.fake import FakeEngine
from curate.errors import SampleError
from curate.stages import Batch, Measurement, Resources, Scorer
from schemas.fields import column

__all__ = ["HALF", "BatchMark", "Echo", "Faulty", "MinMark"]

HALF = Resources(cpus=0.5, batch_rows=5, workers=2)


def digest(*texts: str) -> int:
    return int.from_bytes(hashlib.blake2b("\n".join(texts).encode(), digest_size=4).digest(), "big")


@dataclass(frozen=True)
class BatchMark:
    """A hash of the uids of the whole batch: a re-run that cuts its batches differently gives other bytes.

    Every 13th sample or so fails, so that there are error rows.
    """

    mark: str
    seconds: float = field(default=0.0, repr=False)
    resources: Resources = field(default=HALF, repr=False)
    version: ClassVar[int] = 1
    needs: ClassVar[tuple[str, ...]] = ()
    pixels: ClassVar[int | None] = None

    @property
    def adds(self) -> pa.Schema:
        doc = {"unit": "count", "null": "not measured", "producer": "faults", "doc": "A hash of the batch."}
        return pa.schema([column(f"mark_{self.mark}", pa.int64(), **doc)])

    def check(self) -> None:
        return None

    def load(self) -> Scorer:
        def scorer(batch: Batch) -> Measurement:
            time.sleep(self.seconds)
            uids = batch.table["uid"].to_pylist()
            errors = [SampleError("bad_luck", "no") if digest(uid, self.mark) % 13 == 0 else None for uid in uids]
            return Measurement({f"mark_{self.mark}": [digest(self.mark, *uids)] * len(uids)}, errors)

        return scorer


@dataclass(frozen=True)
class MinMark:
    """Keeps rows whose hash is at least a bound."""

    name: str
    bound: int

    @property
    def needs(self) -> tuple[str, ...]:
        return (self.name,)

    def keep(self, table: pa.Table) -> pa.ChunkedArray:
        return pc.greater_equal(table[self.name], self.bound)


@dataclass(frozen=True)
class Echo(BatchMark):
    """The same, in a segment of its own: it holds an engine."""

    engine: FakeEngine = field(default=FakeEngine(str, name="echo"))


@dataclass(frozen=True)
class Faulty(BatchMark):
    """The length of the text; each of the first texts of a shard is the end of it in its own way, unless `kind`."""

    kind: bool = field(default=False, repr=False)
    resources: Resources = field(default=Resources(batch_rows=5, workers=1, timeout_seconds=3.0), repr=False)
    needs: ClassVar[tuple[str, ...]] = ("alt_text",)

    @property
    def adds(self) -> pa.Schema:
        doc = {"unit": "count", "null": "not measured", "producer": "faults", "doc": "Characters."}
        return pa.schema([column(f"mark_{self.mark}", pa.float32(), **doc)])

    def load(self) -> Scorer:
        def scorer(batch: Batch) -> Measurement:
            texts = batch.table["alt_text"].to_pylist()
            values = [float(len(text)) for text in texts]
            for text in texts:
                if text in HARM and not self.kind:
                    HARM[text]()
            if "text 5" in texts and not self.kind:
                values[texts.index("text 5")] = float("nan")
            return Measurement({f"mark_{self.mark}": values})

        return scorer


def _raise() -> None:
    raise RuntimeError("the model fell over")


HARM = {
    "text 0": _raise,
    "text 1": lambda: time.sleep(3600),
    "text 2": lambda: np.ones(1 << 60, np.uint8),
    "text 3": lambda: os.kill(os.getpid(), signal.SIGKILL),
    "text 4": lambda: ctypes.string_at(0),
}
