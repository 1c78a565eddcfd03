"""Experts that notice everything: their values depend on the batch they were measured in."""

import hashlib
import time
from dataclasses import dataclass, field
from typing import Any, ClassVar

import pyarrow as pa

from curate.engines.fake import FakeEngine
from curate.errors import SampleError
from curate.stages import Batch, Resources, Scorer
from schemas.fields import column

__all__ = ["HALF", "BatchMark", "Echo"]

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
        def scorer(batch: Batch) -> dict[str, Any]:
            time.sleep(self.seconds)
            uids = batch.table["uid"].to_pylist()
            errors = [SampleError("bad_luck", "no") if digest(uid, self.mark) % 13 == 0 else None for uid in uids]
            return {f"mark_{self.mark}": [digest(self.mark, *uids)] * len(uids), "error": errors}

        return scorer


@dataclass(frozen=True)
class Echo(BatchMark):
    """The same, in a segment of its own: it holds an engine."""

    engine: FakeEngine = field(default=FakeEngine(str, name="echo"))
