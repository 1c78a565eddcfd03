"""Small experts and filters for tests of the core: they count, fail and raise on demand."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

import pyarrow as pa
import pyarrow.compute as pc

from curate.errors import SampleError
from curate.stages import Batch, Measurement, Resources, Scorer
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
