"""Put the samples of the pool in an order that can be cut anywhere: uniform, stratified or tempered sampling."""

import dataclasses
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import ClassVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from curate.corpus.batches import RowFiles, row_files
from curate.corpus.pool import Pool, Rows
from curate.corpus.rank_fraction import RankFraction
from curate.errors import PlanError, SampleError
from curate.similarity.mixing import hash_rows
from curate.similarity.ranks import uid_words
from curate.stages import Assign, Measurement, Resources
from curate.storage.arrays import write_array
from schemas.prefix import check_prefix, prefixed
from schemas.stratified_sample import STRATIFIED_SAMPLE

__all__ = ["StratifiedSample"]

BYTES_PER_ROW = 400  # of a batch, whose table is read shard by shard
LOT, POSITION = "a lot", "a position"  # columns that no stage can add: their names have a blank


@dataclass(frozen=True)
class StratifiedSample:
    """Add random ranks, in the whole and inside strata; see `schemas.stratified_sample`.

    A stratum are the samples with the same values in the columns `within`; null is a value too. For every n, the first
    n by `sample_rank` are a sample in which a stratum of c samples has a share in proportion to c ** (1 / temperature),
    to within one, until it is used up: 1 keeps the shares of the pool, higher ones raise the small, infinity makes all
    equal. So `MaxRank("sample_rank", n)` draws n samples, `MaxRank("stratum_rank", k)` at most k of each stratum,
    `Quotas` as many as each is allowed. Who is drawn is a hash of seed and uid: another temperature keeps the order
    inside strata.
    Source: shares by a temperature as in multilingual BERT and XLM-R (Conneau et al. 2020, arXiv 1911.02116), whose
    exponent 0.3 is a temperature of 3.3.
    """

    within: tuple[str, ...] = ()
    temperature: float = 1.0
    seed: int = 0
    prefix: str = ""
    resources: Resources = field(default=Resources(), repr=False, compare=False)
    version: ClassVar[int] = 1

    def __post_init__(self) -> None:
        if isinstance(self.within, str):
            raise PlanError(f"StratifiedSample: within={self.within!r}: give a tuple of columns, such as ('cluster',)")
        if not self.temperature >= 1:
            raise PlanError(f"StratifiedSample: temperature={self.temperature}: give 1 or more, maybe inf")
        check_prefix(self.prefix)

    @property
    def needs(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(self.within))

    @property
    def adds(self) -> pa.Schema:
        return prefixed(STRATIFIED_SAMPLE, self.prefix)

    def check(self) -> None:
        return None

    def measure(self, pool: Pool) -> Assign:
        drawn = dataclasses.replace(pool, rows=_Drawn(pool.rows, self.seed))
        strata = RankFraction(LOT, False, self.within, resources=self.resources)
        batches = pool.batches(max(1, pool.memory_bytes // BYTES_PER_ROW))
        list(drawn.map(partial(_write_strata, assign=strata.measure(drawn)), enumerate(batches)))
        files = row_files(pool, batches)
        placed = dataclasses.replace(pool, rows=_Placed(pool.rows, files, self.temperature))
        order = RankFraction(POSITION, False, resources=self.resources).measure(placed)
        return _Order(self, files, placed.rows, order)


def _write_strata(pool: Pool, numbered: tuple[int, Sequence[str]], assign: Assign) -> None:
    """Write rank and size of the stratum for the rows of a batch: the files of ranks are written over afterwards."""
    number, batch = numbered
    found = [assign(shard, pool.table(shard)).columns for shard in batch]
    ranks = [np.column_stack([np.asarray(each["rank"]), np.asarray(each["rank_count"])]) for each in found]
    write_array(pool.scratch, f"strata-{number}.npy", np.concatenate(ranks).astype(np.int64))


@dataclass(frozen=True, slots=True)
class _Drawn:
    """Rows with their lots."""

    rows: Rows
    seed: int

    def table(self, shard: str) -> pa.Table:
        table = self.rows.table(shard)
        return table.append_column(LOT, pa.array(hash_rows(uid_words(table["uid"]), self.seed)))

    def payloads(self, shard: str, uids: Sequence[str]) -> Iterator[bytes | SampleError]:
        return self.rows.payloads(shard, uids)


@dataclass(frozen=True, slots=True)
class _Placed:
    """Rows with their position: when their stratum, taken at the speed of its share, comes to them."""

    rows: Rows
    files: RowFiles
    temperature: float

    def table(self, shard: str) -> pa.Table:
        table = self.rows.table(shard)
        strata = self.files.read("strata", shard, table.num_rows)
        return table.append_column(POSITION, pa.array(positions(strata, self.temperature)))

    def payloads(self, shard: str, uids: Sequence[str]) -> Iterator[bytes | SampleError]:
        return self.rows.payloads(shard, uids)


def positions(strata: npt.NDArray[np.int64], temperature: float) -> npt.NDArray[np.float64]:
    """Return (rank + 1/2) / count ** (1 / temperature) of (rank, count), int64[n, 2].

    >>> positions(np.array([[0, 100], [0, 4]]), 2.0).tolist()
    [0.05, 0.25]
    """
    counts, which = np.unique(strata[:, 1], return_inverse=True)
    shares = np.array([math.pow(count, 1 / temperature) for count in counts.tolist()], np.float64)
    return (strata[:, 0] + 0.5) / shares[which]


@dataclass(frozen=True, slots=True)
class _Order:
    """Gives the samples of a shard their ranks."""

    stage: StratifiedSample
    files: RowFiles
    rows: Rows
    order: Assign

    def __call__(self, shard: str, table: pa.Table) -> Measurement:
        strata = self.files.read("strata", shard, table.num_rows)
        order = self.order(shard, self.rows.table(shard)).columns
        values = strata[:, 0], strata[:, 1], order["rank"], order["rank_frac"]
        return Measurement(dict(zip(self.stage.adds.names, (pa.array(each) for each in values), strict=True)))
