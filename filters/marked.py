"""Find rows by the marks that they carry."""

import pyarrow as pa
import pyarrow.compute as pc

__all__ = ["none_of"]


def none_of(lists: pa.ListArray, bad: pa.BooleanArray) -> pa.BooleanArray:
    """Return bool[n]: True where no element of the list is bad, null where the list is null.

    `bad` has one value per element of `pc.list_flatten(lists)`; an empty list holds nothing bad.

    >>> marks = pa.array([["url", "price"], [], None])
    >>> none_of(marks, pc.equal(pc.list_flatten(marks), "url")).to_pylist()
    [False, True, None]
    """
    rows = pc.filter(pc.list_parent_indices(lists), bad)
    free = pc.invert(pc.is_in(pa.array(range(len(lists)), pa.int64()), value_set=rows))
    return pc.if_else(pc.is_valid(lists), free, None)
