"""The index of an export: one row per source sample of the run, also for those that were left out."""

import pyarrow as pa

from schemas.fields import column

__all__ = ["EXPORT_INDEX"]

EXPORT_INDEX = pa.schema(
    [
        column(
            "uid", pa.string(), unit="128-bit hex", null="never", producer="export", doc="Identity; key in the tar."
        ),
        column("shard", pa.string(), unit="name", null="never", producer="export", doc="Source shard."),
        column("key", pa.string(), unit="name", null="never", producer="export", doc="Member key in the source shard."),
        column("row", pa.int32(), unit="index", null="never", producer="export", doc="Position in the source shard."),
        column(
            "dropped_by",
            pa.string(),
            unit="filter",
            null="exported, or failed with `error`",
            producer="export",
            doc="The filter that dropped the sample, or `where: CONDITION` if it does not match the condition.",
        ),
        column(
            "error",
            pa.string(),
            unit="stage: code",
            null="exported, or dropped by a filter",
            producer="export",
            doc="The stage that could not measure the sample; `export: CODE` if its picture could not be read again.",
        ),
        column(
            "export_file",
            pa.string(),
            unit="name",
            null="not exported: `dropped_by` or `error` says why",
            producer="export",
            doc="The exported file that holds the sample.",
        ),
        column(
            "export_image_offset_bytes",
            pa.int64(),
            unit="bytes",
            null="not exported, or not a tar",
            producer="export",
            doc="First byte of the encoded image in the tar: a range read of it is the image file.",
        ),
        column(
            "export_image_size_bytes",
            pa.int64(),
            unit="bytes",
            null="not exported",
            producer="export",
            doc="Length of the encoded image as it is exported.",
        ),
        column(
            "export_image_change",
            pa.string(),
            unit="text",
            null="the bytes of the source, or not exported",
            producer="export",
            doc="What was done to the image on request: `blurred 2, max side 1024 px, jpeg 90`.",
        ),
    ]
)
