"""Small experts and filters for tests of the core: they count, fail and raise on demand."""

import os
import signal
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import ClassVar

import pyarrow as pa
import pyarrow.compute as pc

from curate.corpus.pool import Pool
from curate.errors import SampleError
from curate.stages import Assign, Batch, Measurement, Resources, Scorer
from schemas.fields import column


def number(name: str, producer: str = "test") -> pa.Field:
    return column(name, pa.float32(), unit="count", null="not measured", producer=producer, doc="A number.")


@dataclass(frozen=True)
class TextLength:
    """Counts characters; logs every uid it measures to `log`, fails on texts in `fail`, raises on texts in `crash`."""

    log: str = field(default="", repr=False)
    fail: tuple[str, ...] = field(default=(), repr=False)
    crash: tuple[str, ...] = field(default=(), repr=False)
    adds_name: str = "text_length"
    resources: Resources = field(default=Resources(batch_rows=3, workers=2), repr=False, compare=False)
    version: ClassVar[int] = 1
    needs: ClassVar[tuple[str, ...]] = ("alt_text",)
    pixels: ClassVar[int | None] = None

    @property
    def adds(self) -> pa.Schema:
        return pa.schema([number(self.adds_name)])

    def check(self) -> None:
        return None

    def load(self) -> Scorer:
        def scorer(batch: Batch) -> Measurement:
            texts: Sequence[str | None] = batch.table["alt_text"].to_pylist()
            if any(text in self.crash for text in texts):
                raise RuntimeError("the model fell over")
            if self.log:
                with Path(self.log).open("a") as stream:
                    stream.writelines(f"{uid}\n" for uid in batch.table["uid"].to_pylist())
            errors = [SampleError("bad_text", "no") if text in self.fail else None for text in texts]
            return Measurement({self.adds_name: [float(len(text or "")) for text in texts]}, errors)

        return scorer


@dataclass(frozen=True)
class Brightness:
    """Mean of the image."""

    pixels: int | None = 16
    resources: Resources = field(default=Resources(batch_rows=4, workers=2), repr=False, compare=False)
    version: ClassVar[int] = 1
    needs: ClassVar[tuple[str, ...]] = ()
    adds: ClassVar[pa.Schema] = pa.schema([number("brightness")])

    def check(self) -> None:
        return None

    def load(self) -> Scorer:
        return lambda batch: Measurement({"brightness": [float(image.mean()) for image in batch.images]})


@dataclass(frozen=True)
class AtLeast:
    """Keeps rows whose column reaches a bound."""

    name: str
    bound: float

    @property
    def needs(self) -> tuple[str, ...]:
        return (self.name,)

    def keep(self, table: pa.Table) -> pa.ChunkedArray:
        return pc.greater_equal(table[self.name], self.bound)


@dataclass(frozen=True)
class ShareOfPool:
    """Adds the share of the pool's characters that a text has; fails on texts in `fail`, crashes while `crash` exists.

    Each shard that it sums up is logged to `log`, with its node; that takes `seconds`. The process that finds a file
    `kill` removes it and is killed.
    """

    log: str = field(default="", repr=False)
    fail: tuple[str, ...] = field(default=(), repr=False)
    crash: str = field(default="", repr=False)
    kill: str = field(default="", repr=False)
    seconds: float = field(default=0.0, repr=False)
    adds_name: str = "share_of_pool"
    resources: Resources = field(default=Resources(), repr=False, compare=False)
    version: ClassVar[int] = 1
    needs: ClassVar[tuple[str, ...]] = ("alt_text",)

    @property
    def adds(self) -> pa.Schema:
        return pa.schema([number(self.adds_name)])

    def check(self) -> None:
        return None

    def measure(self, pool: Pool) -> Assign:
        total = sum(pool.map(partial(_characters, stage=self), pool.shards))
        pool.scratch.write_bytes("total", str(total).encode())
        return partial(_shares, stage=self, total=total, last=max(pool.shards, default=""))


def _characters(pool: Pool, shard: str, stage: ShareOfPool) -> int:
    if stage.log:
        with Path(stage.log).open("a") as stream:
            stream.write(f"{shard} {os.environ.get('RAY_NODE_ID', os.getpid())}\n")
    if stage.kill and Path(stage.kill).exists():
        Path(stage.kill).unlink()
        os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(stage.seconds)
    return sum(len(text) for text in pool.table(shard)["alt_text"].to_pylist())


def _shares(shard: str, table: pa.Table, stage: ShareOfPool, total: int, last: str) -> Measurement:
    texts = table["alt_text"].to_pylist()
    if stage.crash and shard == last and Path(stage.crash).exists():
        raise RuntimeError("the stage fell over")
    errors = [SampleError("bad_text", "no") if text in stage.fail else None for text in texts]
    return Measurement({stage.adds_name: [len(text) / total for text in texts]}, errors)
