"""Columns of the TextDuplicates corpus stage."""

import pyarrow as pa

from schemas.fields import column

__all__ = ["TEXT_DUPLICATES"]

TEXT_DUPLICATES = pa.schema(
    [
        column(
            "text_duplicate_group",
            pa.string(),
            unit="uid",
            null="never measured; a sample without a text is a group by itself",
            producer="text_duplicates",
            doc="The best sample among those whose texts are nearly the same, which may be itself.",
        ),
        column(
            "text_duplicate_of",
            pa.string(),
            unit="uid",
            null="it is the best of its group, or alone",
            producer="text_duplicates",
            doc="The best sample of the group.",
        ),
    ]
)
