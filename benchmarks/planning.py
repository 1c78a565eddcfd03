"""What a plan of a million shards and ten stages costs in seconds and memory.

`python -m benchmarks.planning [shards]` plans over a file system that only exists as listings: 98 % of the shards are
decided, 1 % were read and lack the last stage, 1 % are new. The process that plans prints its own peak memory.
"""

import io
import re
import resource
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, ClassVar

import fsspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from fsspec.spec import AbstractFileSystem
from rich.console import Console

from curate.dataset.cells import Outcomes, align, measured_table
from curate.dataset.manifest import save
from curate.dataset.samples import sample_table
from curate.inspect.funnel import plan_table
from curate.pipeline import Pipeline
from curate.run.planner import make_plan
from curate.run.runner import RunRequest, _manifest, prepare
from curate.run.spec import RunSpec
from curate.sources import find_shards
from curate.sources.shard import SourceSample
from curate.stages import SAMPLE_STAGE, Expert, Measurement, Resources, Scorer, Stage, stage_id
from schemas.fields import column

ROWS = 1000
STAGES = 10


@dataclass(frozen=True)
class Score:
    """A number per sample; never really measured here."""

    name: str
    resources: Resources = field(default=Resources(), repr=False, compare=False)
    version: ClassVar[int] = 1
    needs: ClassVar[tuple[str, ...]] = ()
    pixels: ClassVar[int | None] = None

    @property
    def adds(self) -> pa.Schema:
        return pa.schema([column(self.name, pa.float32(), unit="score", null="-", producer="bench", doc="A number.")])

    def check(self) -> None:
        """Need nothing."""

    def load(self) -> Scorer:
        """Return a scorer of constants."""
        return lambda batch: Measurement({self.name: np.zeros(len(batch), np.float32)})


@dataclass(frozen=True)
class Above:
    """Keeps rows whose score is above a bound."""

    name: str
    bound: float

    @property
    def needs(self) -> tuple[str, ...]:
        return (self.name,)

    def keep(self, table: pa.Table) -> Any:
        """Compare."""
        return pc.greater(table[self.name], self.bound)


class Listings(AbstractFileSystem):
    """A file system that holds listings, and one cell per stage that stands for all of them."""

    protocol = "listings"
    shards: ClassVar[int] = 0
    names: ClassVar[list[str]] = []
    cells: ClassVar[dict[str, bytes]] = {}
    requests: ClassVar[int] = 0

    def find(self, path: str, **_: Any) -> dict[str, dict[str, Any]]:
        """List the tars."""
        return {name: self.info(name) for name in (f"/in/{i:07d}.tar" for i in range(self.shards))}

    def info(self, path: str, **_: Any) -> dict[str, Any]:
        """Tell the one folder and the tars in it."""
        if not path.endswith(".tar"):
            return {"name": path, "size": 0, "type": "directory"}
        return {"name": path, "size": 100_000_000 + int(path[4:11]), "type": "file"}

    def exists(self, path: str, **_: Any) -> bool:
        """Tell whether a cell is there: open shards lack the last stage, and nothing was added later."""
        type(self).requests += 1
        return path.split("/")[-2] in self.cells and re.search(r"\.\d\.parquet$", path) is None

    def ls(self, path: str, detail: bool = False, **_: Any) -> list[Any]:
        """List a folder of cells; the verdicts lack the 1 % of open shards, every stage the 1 % of new ones."""
        folder = path.rstrip("/").rpartition("/")[2]
        if folder in {"runs", "errors"}:
            return []
        lacks = {0} if folder in self.cells else {0, 1}
        return [f"{path}/{name}.parquet" for i, name in enumerate(self.names) if i % 100 not in lacks]

    def _open(self, path: str, mode: str = "rb", **_: Any) -> io.BytesIO:
        if path.endswith(".tar"):
            return io.BytesIO(bytes(1024))
        return io.BytesIO(self.cells[path.split("/")[-2]])

    def makedirs(self, path: str, exist_ok: bool = False) -> None:
        """Folders need no making."""

    def put_file(self, lpath: str, rpath: str, **_: Any) -> None:
        """Take what is written and forget it."""

    def rm_file(self, path: str) -> None:
        """Forget it."""


def stand_ins(stages: list[Stage]) -> dict[str, bytes]:
    """Return one cell of ROWS rows for the samples and for each expert but the last."""
    samples = [SourceSample(f"{i:06d}", f"{i:06d}.jpg", b"", "a text") for i in range(ROWS)]
    sample = sample_table("x", samples, 0, {})
    tables = {SAMPLE_STAGE: sample}
    experts = [stage for stage in stages if isinstance(stage, Expert)]
    values = np.random.default_rng(0).random((len(experts), ROWS), dtype=np.float32)
    rows, uids = np.arange(ROWS, dtype=np.int32), sample["uid"].combine_chunks()
    for expert, value in zip(experts[:-1], values, strict=False):
        outcomes = Outcomes([None] * ROWS, np.ones(ROWS, np.int16))
        measured = measured_table(expert.adds, rows, uids, {expert.adds.names[0]: pa.array(value)}, outcomes)
        tables[stage_id(expert)] = align(measured, sample)
    return {stage: _bytes(table) for stage, table in tables.items()}


def _bytes(table: pa.Table) -> bytes:
    stream = io.BytesIO()
    pq.write_table(table, stream, compression="zstd")
    return stream.getvalue()


@contextmanager
def timed(what: str) -> Iterator[None]:
    """Print the seconds of a block and the peak memory of the process so far."""
    start = time.perf_counter()
    yield
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{what:42} {time.perf_counter() - start:8.1f} s {peak:8.0f} MiB peak so far", flush=True)


def main(shards: int = 1_000_000) -> None:
    """Plan once as a run does, once as `curate plan` does, and print what each part costs."""
    fsspec.register_implementation("listings", Listings)
    stages: list[Stage] = []
    for i in range(STAGES):
        stages += [Score(f"score_{i}"), Above(f"score_{i}", 0.05)]
    Listings.shards, Listings.cells = shards, stand_ins(stages)
    print(f"{shards:,} shards x {STAGES} stages")
    with timed("start"):
        pass
    with timed("find the shards"):
        found = find_shards(["listings:///in"])
        Listings.names = [shard.name for shard in found]
    pipeline = Pipeline(stages)
    with timed("plan of a run"):
        plan = make_plan(RunSpec.resolve(pipeline, "listings:///out", "000001-bench"), found, count_new=False)
    with timed("list of shards for the manifest"):
        order = RunRequest(pipeline, ["listings:///in"], "listings:///out")
        save(plan.spec.cells.store, _manifest(order, plan), found)
    print(f"unfinished: {len(plan.unfinished):,}; cells opened: {Listings.requests:,} questions")
    del plan, found
    with timed("curate plan, from inputs to table"):
        Console(width=120).print(plan_table(prepare(order)))


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000)
