"""Compare shares of evidence, where "nothing to compare" and "not measured" are both null."""

import pyarrow as pa
import pyarrow.compute as pc

__all__ = ["check_fraction", "enough"]


def check_fraction(minimum: float) -> None:
    """Raise ValueError unless a bound on a share is between 0 and 1."""
    if not 0 <= minimum <= 1:
        raise ValueError(f"minimum={minimum}: give a fraction, 0 to 1")


def enough(share: pa.ChunkedArray, minimum: float, listed: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return bool[n]: True where the share is at least `minimum` or there was nothing to compare.

    `listed` is the list that the share was computed with; it is null where nothing was measured, and so is the result.

    >>> shares, lists = pa.chunked_array([[1.0, 0.4, None, None]]), pa.chunked_array([[[], ["x"], [], None]])
    >>> enough(shares, 0.5, lists).to_pylist()
    [True, False, True, None]
    """
    bound = pa.scalar(minimum, pa.float64()).cast(share.type, safe=False)
    return pc.if_else(pc.is_valid(listed), pc.fill_null(pc.greater_equal(share, bound), True), None)
