"""What corpus stages that work on batches of shards share: numbers per row in files, and who reads which rows."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from curate.corpus.pool import Pool
from curate.errors import ContractError
from curate.similarity.ranks import ordered_bits, uid_words
from curate.storage.arrays import read_array
from curate.storage.store import Store

__all__ = ["RowFiles", "join_tables", "order_words", "row_files", "uids_of"]


@dataclass(frozen=True, slots=True)
class RowFiles:
    """Files `NAME-<batch>.npy` of `scratch` with a row for each row of a batch; `places` are (batch, first row)."""

    scratch: Store
    places: dict[str, tuple[int, int]]

    def read(self, name: str, shard: str, rows: int) -> npt.NDArray[Any]:
        """Return what a file holds of one shard, which has so many rows."""
        batch, start = self.places[shard]
        return read_array(self.scratch, f"{name}-{batch}.npy", start, start + rows)


def row_files(pool: Pool, batches: Sequence[Sequence[str]]) -> RowFiles:
    """Return where the rows of each shard lie in files that have one row for each row of a batch."""
    sizes = dict(zip(pool.shards, pool.sizes, strict=True))
    places: dict[str, tuple[int, int]] = {}
    for number, batch in enumerate(batches):
        start = 0
        for shard in batch:
            places[shard] = number, start
            start += sizes[shard]
    return RowFiles(pool.scratch, places)


def join_tables(pool: Pool, batch: Sequence[str]) -> pa.Table:
    """Return the rows of some shards, one after another, each column in one piece."""
    return pa.concat_tables([pool.table(shard) for shard in batch]).combine_chunks()


def order_words(table: pa.Table, column: str | None, highest_first: bool) -> npt.NDArray[np.uint64]:
    """Return what puts rows in order, best first, uint64[n, 4]: by a column of numbers, then by uid.

    Null and NaN are the last. Raises ContractError if the column holds no numbers.
    """
    bits = np.zeros(table.num_rows, np.uint64)
    last = np.zeros(table.num_rows, np.uint64)
    if column is not None:
        values = table[column].combine_chunks()
        kind = values.type
        if not (pa.types.is_floating(kind) or pa.types.is_integer(kind) or pa.types.is_boolean(kind)):
            raise ContractError(f"{column} is {kind}; samples are put in order by a column of numbers")
        missing = np.asarray(pc.is_null(values, nan_is_null=True)).astype(bool)
        plain = np.asarray(pc.fill_null(values, pa.scalar(False if kind == pa.bool_() else 0, kind)))
        bits = ordered_bits(np.where(missing, np.zeros(1, plain.dtype), plain))
        bits = np.where(missing, np.uint64(0), ~bits if highest_first else bits)
        last = missing.astype(np.uint64)
    return np.column_stack([last, bits, uid_words(table["uid"])])


def uids_of(words: npt.NDArray[np.uint64]) -> list[str]:
    """Return uids as texts, from the two numbers that each is.

    >>> uids_of(np.array([[0, 255]], np.uint64))
    ['000000000000000000000000000000ff']
    """
    digits = np.ascontiguousarray(words).astype(">u8").tobytes().hex()
    return [digits[i : i + 32] for i in range(0, len(digits), 32)]
