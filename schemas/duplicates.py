"""Columns of the ExactDuplicates and NearDuplicates corpus stages."""

import pyarrow as pa

from schemas.fields import column

__all__ = ["DUPLICATES"]

DUPLICATES = pa.schema(
    [
        column(
            "duplicate_group",
            pa.string(),
            unit="uid",
            null="never measured; a sample without duplicates is a group by itself",
            producer="exact_duplicates or near_duplicates",
            doc="The best sample among those that are the same, which may be itself.",
        ),
        column(
            "duplicate_of",
            pa.string(),
            unit="uid",
            null="it is the best of its group, or alone",
            producer="exact_duplicates or near_duplicates",
            doc="The best sample of the group.",
        ),
    ]
)
