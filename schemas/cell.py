"""The columns that begin every cell: which row, and whether it was measured."""

import pyarrow as pa

from schemas.fields import column

__all__ = ["CELL"]

CELL = pa.schema(
    [
        column(
            "row",
            pa.int32(),
            unit="index",
            null="never",
            producer="runner",
            doc="Position of the sample in its source shard, from 0.",
        ),
        column(
            "uid",
            pa.string(),
            unit="128-bit hex",
            null="never",
            producer="runner",
            doc="Identity of the sample: a hash of shard name and key.",
        ),
        column(
            "measured",
            pa.bool_(),
            unit="flag",
            null="never",
            producer="runner",
            doc="False: the sample was dropped or failed before this stage's turn came, its columns are null.",
        ),
        column(
            "error_code",
            pa.string(),
            unit="code",
            null="no error",
            producer="runner",
            doc="Why this stage could not measure the sample; it goes no further.",
        ),
        column(
            "error_message",
            pa.string(),
            unit="text",
            null="no error",
            producer="runner",
            doc="The error in one sentence.",
        ),
        column(
            "attempt",
            pa.int16(),
            unit="count",
            null="never",
            producer="runner",
            doc="1 for the first measurement, one more for each `curate retry`; the highest counts.",
        ),
    ]
)
