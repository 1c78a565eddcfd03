"""Read embeddings that a user brings: an .npy array, or a Parquet file with one column of lists."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from curate.errors import PlanError

__all__ = ["embedding_shape", "read_embeddings"]

BLOCK_ROWS: Final = 65_536


def embedding_shape(path: Path) -> tuple[int, int]:
    """Return how many embeddings a file holds, and of how many numbers; raises PlanError for another kind of file."""
    if path.suffix == ".parquet":
        file = _parquet(path)
        first = next(file.iter_batches(1), None)
        if first is None or not first.num_rows or first.column(0)[0].as_py() is None:
            raise PlanError(f"{path} does not begin with an embedding")
        return int(file.metadata.num_rows), len(first.column(0)[0].as_py())
    array = _npy(path)
    return int(array.shape[0]), int(array.shape[1])


def read_embeddings(path: Path) -> Iterator[npt.NDArray[Any]]:
    """Yield the embeddings of a file block by block, float[m, d] each."""
    if path.suffix == ".parquet":
        dims = embedding_shape(path)[1]
        for batch in _parquet(path).iter_batches(BLOCK_ROWS):
            column = batch.column(0)
            flat = column.flatten().to_numpy(zero_copy_only=False)
            if column.null_count or len(flat) != dims * len(column):
                raise PlanError(f"{path} has nulls, or embeddings of several lengths; write those of one model alone")
            yield flat.reshape(-1, dims)
        return
    array = _npy(path)
    for first in range(0, len(array), BLOCK_ROWS):
        yield np.asarray(array[first : first + BLOCK_ROWS])


def _npy(path: Path) -> npt.NDArray[Any]:
    try:
        array: npt.NDArray[Any] = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError) as error:
        raise PlanError(f"{path} is not an .npy file of embeddings: {error}") from error
    if array.ndim != 2 or array.dtype.kind != "f" or not array.size:
        shape = " x ".join(map(str, array.shape))
        raise PlanError(f"{path} holds {array.dtype} of {shape}; give float embeddings, one a row")
    return array


def _parquet(path: Path) -> pq.ParquetFile:
    try:
        file = pq.ParquetFile(path)
    except (OSError, pa.ArrowInvalid) as error:
        raise PlanError(f"{path} is not a Parquet file of embeddings: {error}") from error
    kinds = [field.type for field in file.schema_arrow]
    lists = [pa.types.is_list(kind) or pa.types.is_fixed_size_list(kind) for kind in kinds]
    if lists != [True] or not pa.types.is_floating(kinds[0].value_type):
        raise PlanError(f"{path} has the columns {file.schema_arrow.names}; give one column of lists of floats")
    return file
