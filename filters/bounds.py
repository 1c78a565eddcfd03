"""Compare a number with a bound of the column's own type, so that 0.28 in the recipe is 0.28 in the column."""

import pyarrow as pa
import pyarrow.compute as pc

__all__ = ["at_least", "at_most"]


def at_least(values: pa.ChunkedArray, minimum: float) -> pa.ChunkedArray:
    """Return bool[n]: value >= minimum, null where the value is.

    >>> at_least(pa.chunked_array([pa.array([0.28, 0.27, None], pa.float32())]), 0.28).to_pylist()
    [True, False, None]
    """
    return pc.greater_equal(values, _bound(values, minimum))


def at_most(values: pa.ChunkedArray, maximum: float) -> pa.ChunkedArray:
    """Return bool[n]: value <= maximum, null where the value is.

    >>> at_most(pa.chunked_array([pa.array([0.28, 0.29, None], pa.float32())]), 0.28).to_pylist()
    [True, False, None]
    """
    return pc.less_equal(values, _bound(values, maximum))


def _bound(values: pa.ChunkedArray, bound: float) -> pa.Scalar:
    exact = pa.scalar(float(bound), pa.float64())
    return exact if pa.types.is_integer(values.type) else exact.cast(values.type, safe=False)
