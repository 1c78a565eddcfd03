"""Dead letters: samples that a stage could not measure."""

import pyarrow as pa

from schemas.fields import column

__all__ = ["ERROR"]

ERROR = pa.schema(
    [
        column("uid", pa.string(), unit="128-bit hex", null="never", producer="runner", doc="Identity of the sample."),
        column("shard", pa.string(), unit="name", null="never", producer="runner", doc="Source shard."),
        column("key", pa.string(), unit="name", null="never", producer="runner", doc="Member key inside the shard."),
        column("stage", pa.string(), unit="stage id", null="never", producer="runner", doc="The stage that failed."),
        column("error_code", pa.string(), unit="code", null="never", producer="runner", doc="Groups equal causes."),
        column("error_message", pa.string(), unit="text", null="never", producer="runner", doc="One sentence."),
        column("attempt", pa.int16(), unit="count", null="never", producer="runner", doc="How often it was tried."),
        column(
            "image_member",
            pa.string(),
            unit="name",
            null="the sample has no image",
            producer="runner",
            doc="Where the untouched bytes are: the member's name in the source shard.",
        ),
    ]
)
