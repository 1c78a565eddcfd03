"""The pool of a corpus stage, read from the cells of a dataset: which samples, their columns, their images."""

import hashlib
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from curate.corpus.pool import Pool
from curate.corpus.tables import assigned
from curate.dataset.cells import Outcomes, measured_table
from curate.errors import SampleError
from curate.pipeline import Step
from curate.run.commit import read_samples, replay_shard
from curate.run.spec import RunSpec
from curate.sources import fetch
from curate.sources.shard import Shard
from curate.stages import SAMPLE_STAGE, Assign, CorpusStage, Measures
from curate.storage.lock import fenced
from schemas.cell import CELL
from schemas.sample import SAMPLE

__all__ = ["CellRows", "PoolFacts", "look_at_pool", "write_cell"]

AT_ONCE = 8
FETCHED = ("row", "uid", "key", "image_member", "members")


@dataclass(frozen=True, slots=True)
class PoolFacts:
    """Which samples a pool is made of: shards that have one, in the order of their names, how many each, the digest."""

    shards: tuple[str, ...]
    sizes: tuple[int, ...]
    digest: str


def look_at_pool(leg: RunSpec, stage: CorpusStage, shards: Sequence[Shard]) -> PoolFacts:
    """Return what is in the pool behind a leg that has nothing pending.

    The digest is over the uids that are kept, shard by shard, and the stages that made the columns which the corpus
    stage needs: what it measures is a function of these. Memory is a shard's for each thread.
    """
    ordered = sorted(shards, key=lambda shard: shard.name)
    with ThreadPoolExecutor(AT_ONCE) as threads:
        each = list(threads.map(lambda shard: _digest(kept_rows(leg, shard)[1]), ordered))
    there = [(shard.name, n, digest) for shard, (n, digest) in zip(ordered, each, strict=True) if n]
    state = hashlib.blake2b(digest_size=8)
    for line in (*_makers(leg, stage), *there):
        state.update(f"{line}\n".encode())
    return PoolFacts(tuple(name for name, _, _ in there), tuple(n for _, n, _ in there), state.hexdigest())


def kept_rows(leg: RunSpec, shard: Shard) -> tuple[npt.NDArray[np.int32], pa.Array]:
    """Return rows and uids of the samples that a leg keeps of a shard: as its verdict says, or a replay without one."""
    path = leg.cells.path(leg.verdict_id, shard.name)
    if leg.cells.store.exists(path):
        verdict = leg.cells.store.read_table(path)
        kept = pc.and_(pc.is_null(verdict["dropped_by"]), pc.is_null(verdict["error"]))
        verdict = verdict.filter(kept)
        return verdict["row"].to_numpy(), verdict["uid"].combine_chunks()
    sample = read_samples(leg, shard)
    kept = replay_shard(leg, shard, sample).kept
    rows = np.flatnonzero(kept).astype(np.int32)
    return rows, sample["uid"].combine_chunks().take(pa.array(rows))


def _digest(uids: pa.Array) -> tuple[int, str]:
    return len(uids), hashlib.blake2b("".join(uids.to_pylist()).encode(), digest_size=8).hexdigest()


def _makers(leg: RunSpec, stage: CorpusStage) -> list[tuple[str, str]]:
    """Return (column, id of the stage that makes it) for what a corpus stage needs."""
    makers = dict.fromkeys(SAMPLE.names, SAMPLE_STAGE)
    for step in leg.steps:
        if isinstance(step.stage, Measures):
            makers |= dict.fromkeys(step.stage.adds.names, step.id)
    return [(name, makers[name]) for name in sorted({*stage.needs} - {*CELL.names})]


@dataclass(frozen=True, slots=True)
class CellRows:
    """Rows of a pool that lie in the cells of a dataset; `leg` ends before the corpus stage, and is committed."""

    leg: RunSpec
    needs: tuple[str, ...]
    shards: dict[str, Shard]

    def table(self, shard: str) -> pa.Table:
        rows, uids = kept_rows(self.leg, self.shards[shard])
        columns: dict[str, Any] = {"uid": uids}
        wanted, at = {*self.needs} - {"uid"}, pa.array(rows)
        for stage in self._stages(wanted):
            cell = self.leg.cells.read(stage, shard, wanted)
            if cell is not None:
                columns |= {name: cell[name].take(at) for name in cell.column_names if name in wanted}
        return pa.table({name: columns[name] for name in dict.fromkeys(("uid", *self.needs))})

    def payloads(self, shard: str, uids: Sequence[str]) -> Iterator[bytes | SampleError]:
        sample = self.leg.cells.read(SAMPLE_STAGE, shard, {"uid", *FETCHED})
        assert sample is not None
        wanted = pc.is_in(sample["uid"], pa.array(uids, pa.string()))
        return fetch(self.shards[shard], sample.filter(wanted))

    def _stages(self, wanted: set[str]) -> list[str]:
        """Return the stages that make some of the columns."""
        makers = [(SAMPLE_STAGE, SAMPLE.names)]
        makers += [(step.id, step.stage.adds.names) for step in self.leg.steps if isinstance(step.stage, Measures)]
        return [stage for stage, names in makers if wanted & {*names}]


def write_cell(pool: Pool, shard: str, step: Step, assign: Assign) -> tuple[int, int]:
    """Write what a corpus stage measured on a shard; return its rows, and how many have an error."""
    rows = pool.rows
    assert isinstance(rows, CellRows)
    assert isinstance(step.stage, CorpusStage)
    cells = rows.leg.cells
    at, uids = kept_rows(rows.leg, rows.shards[shard])
    found = assigned(step.stage, assign, shard, pool.table(shard))
    outcomes = Outcomes(found.errors, np.ones(len(at), np.int16))
    sample = cells.read(SAMPLE_STAGE, shard, {"uid"})
    assert sample is not None
    measured = measured_table(step.stage.adds, at, uids, found.columns, outcomes)
    with fenced(cells.store, rows.leg.token):
        cells.add(step.id, shard, measured, sample, fresh=True)
    return len(at), sum(error is not None for error in found.errors)
