"""NumPy arrays as files of a store: written whole, read in part."""

from typing import Any

import numpy as np
import numpy.typing as npt

from curate.storage.store import Store

__all__ = ["read_array", "write_array"]

npy: Any = np.lib.format  # has no types


def write_array(store: Store, path: str, array: npt.NDArray[Any]) -> None:
    """Write an array as `.npy`; equal arrays give equal bytes."""
    with store.open_write(path) as stream:
        npy.write_array(stream, np.ascontiguousarray(array), allow_pickle=False)


def read_array(store: Store, path: str, start: int = 0, stop: int | None = None) -> npt.NDArray[Any]:
    """Return rows of an array: mapped into memory where the file is local, else read by their bytes. Read-only."""
    if store.is_local():
        whole = np.load(store.local_path(path), mmap_mode="r", allow_pickle=False)
        return np.asarray(whole[start:stop])
    with store.open_read(path) as stream:
        npy.read_magic(stream)
        shape, _, dtype = npy.read_array_header_1_0(stream)
        rows = range(*slice(start, stop).indices(shape[0]))
        each = int(np.prod(shape[1:], dtype=np.int64)) * dtype.itemsize
        stream.seek(stream.tell() + rows.start * each)
        data = stream.read(len(rows) * each)
    return np.frombuffer(data, dtype).reshape(len(rows), *shape[1:])
