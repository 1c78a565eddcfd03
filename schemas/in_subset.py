"""Whether a sample is one that a subset file names."""

import pyarrow as pa

from schemas.fields import column

__all__ = ["IN_SUBSET"]

IN_SUBSET = pa.schema(
    [
        column(
            "in_subset",
            pa.bool_(),
            unit="flag",
            null="the sample has no uid of 32 hex digits in its metadata",
            producer="in_subset",
            doc="Whether the DataComp subset file names the sample.",
        )
    ]
)
