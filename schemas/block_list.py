"""Columns of the BlockList expert."""

import pyarrow as pa

from schemas.fields import column

__all__ = ["BLOCK_LIST"]

BLOCK_LIST = pa.schema(
    [
        column(
            "blocked",
            pa.bool_(),
            unit="flag",
            null="not measured, or on a list",
            producer="block_list",
            doc="False where the image is on no block list. One that is has the error `blocked` and no values.",
        )
    ]
)
