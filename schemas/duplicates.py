"""Columns of the ExactDuplicates and NearDuplicates corpus stages."""

import pyarrow as pa

from schemas.fields import column

__all__ = ["EXACT_DUPLICATES", "NEAR_DUPLICATES"]

EXACT_DUPLICATES = pa.schema(
    [
        column(
            "exact_duplicate_group",
            pa.string(),
            unit="uid",
            null="never measured; a sample without duplicates is a group by itself",
            producer="exact_duplicates",
            doc="The best sample among those that are exactly the same, which may be itself.",
        ),
        column(
            "exact_duplicate_of",
            pa.string(),
            unit="uid",
            null="it is the best of its group, or alone",
            producer="exact_duplicates",
            doc="The best sample of the group.",
        ),
    ]
)

NEAR_DUPLICATES = pa.schema(
    [
        column(
            "duplicate_group",
            pa.string(),
            unit="uid",
            null="never measured; a sample without duplicates is a group by itself",
            producer="near_duplicates",
            doc="The best sample among those that show the same picture, which may be itself.",
        ),
        column(
            "duplicate_of",
            pa.string(),
            unit="uid",
            null="it is the best of its group, or alone",
            producer="near_duplicates",
            doc="The best sample of the group.",
        ),
    ]
)
