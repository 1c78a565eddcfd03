"""Groups of samples in files: equal digests, connected pairs; the best of each group, and its columns for a shard."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from curate.corpus.batches import RowFiles, uids_of
from curate.corpus.pool import Pool
from curate.similarity.ranks import sort_order
from curate.stages import Measurement
from curate.storage.arrays import read_array, write_array

__all__ = ["Groups", "best_of_groups", "group_equal", "write_digests"]

Words = npt.NDArray[np.uint64]

BYTES_PER_ROW = 160  # of a part of the digests, while it is sorted
PARTS_BITS = 12  # digests are cut by their first bits, into up to 4,096 parts


def write_digests(pool: Pool, number: int, digests: Words, valid: npt.NDArray[np.bool_], order: Words) -> None:
    """Write what `group_equal` reads of one batch: uint64[n, 2] digests where valid, and the order of the rows.

    `order` is uint64[n, 4] as `order_words` returns it.
    """
    rows = np.flatnonzero(valid)
    rows = rows[sort_order(digests[rows])]
    first = (digests[rows, 0] >> np.uint64(64 - PARTS_BITS)).astype(np.int64)
    cuts = np.searchsorted(first, np.arange((1 << PARTS_BITS) + 1))
    keyed = np.column_stack([digests[rows], order[rows], np.full(len(rows), number, np.uint64), rows.astype(np.uint64)])
    write_array(pool.scratch, f"digests-{number}.npy", keyed.astype(np.uint64))
    write_array(pool.scratch, f"cuts-{number}.npy", cuts)
    write_array(pool.scratch, f"order-{number}.npy", order)


def group_equal(pool: Pool, batches: int, name: str) -> None:
    """Write for each row of each batch the uid of the best row with an equal digest, as `NAME-<batch>.npy`.

    A row without a digest is its own. One part of the digests is in memory at a time.
    """
    rows = max(1, pool.memory_bytes // BYTES_PER_ROW)
    parts = min(1 << PARTS_BITS, max(1, -(-2 * len(pool) // rows)))
    edges = [(1 << PARTS_BITS) * i // parts for i in range(parts + 1)]
    list(pool.map(partial(_group_part, batches=batches), list(itertools.pairwise(edges))))
    list(pool.map(partial(_collect_batch, name=name, edges=edges), range(batches)))


def _group_part(pool: Pool, part: tuple[int, int], batches: int) -> None:
    """Write (row, uid of the best) of the rows of one part, batch after batch."""
    slices = []
    for number in range(batches):
        cuts = read_array(pool.scratch, f"cuts-{number}.npy")
        slices.append(read_array(pool.scratch, f"digests-{number}.npy", int(cuts[part[0]]), int(cuts[part[1]])))
    rows = np.concatenate(slices)
    rows = rows[sort_order(rows[:, :6])]
    new = np.ones(len(rows), bool)
    new[1:] = (rows[1:, :2] != rows[:-1, :2]).any(axis=1)
    best = rows[new, 4:6][np.cumsum(new) - 1]
    back = np.lexsort((rows[:, 7], rows[:, 6]))
    write_array(pool.scratch, f"best-{part[0]}.npy", np.column_stack([rows[back, 7], best[back]]))
    starts = np.searchsorted(rows[back, 6], np.arange(batches + 1, dtype=np.uint64))
    write_array(pool.scratch, f"starts-{part[0]}.npy", starts)


def _collect_batch(pool: Pool, number: int, name: str, edges: Sequence[int]) -> None:
    group = np.array(read_array(pool.scratch, f"order-{number}.npy")[:, -2:])
    for part in edges[:-1]:
        start, stop = read_array(pool.scratch, f"starts-{part}.npy")[number : number + 2].tolist()
        found = read_array(pool.scratch, f"best-{part}.npy", start, stop)
        group[found[:, 0].astype(np.int64)] = found[:, 1:]
    write_array(pool.scratch, f"{name}-{number}.npy", group)


def best_of_groups(labels: npt.NDArray[np.int64], order: Words) -> Words:
    """Return the uid of the best row with the same label for each of n rows, uint64[n, 2].

    `order` is uint64[n, 4] as `order_words` returns it: the smallest is the best.
    """
    ranked = np.lexsort((*order.T[::-1], labels))
    new = np.ones(len(ranked), bool)
    new[1:] = np.diff(labels[ranked]) != 0
    best = np.empty((len(labels), 2), np.uint64)
    best[ranked] = order[ranked[new][np.cumsum(new) - 1], -2:]
    return best


@dataclass(frozen=True, slots=True)
class Groups:
    """Gives the samples of a shard the best of their groups, from files `NAME-<batch>.npy` of uids."""

    files: RowFiles
    name: str
    columns: tuple[str, str]

    def __call__(self, shard: str, table: pa.Table) -> Measurement:
        group = pa.array(uids_of(self.files.read(self.name, shard, table.num_rows)), pa.string())
        alone = pc.equal(group, table["uid"].combine_chunks())
        values = group, pc.if_else(alone, pa.scalar(None, pa.string()), group)
        return Measurement(dict(zip(self.columns, values, strict=True)))
