"""What a source gives: one row per sample, in the order of its shard."""

import pyarrow as pa

from schemas.fields import column

__all__ = ["MEMBER", "SAMPLE"]

MEMBER = pa.struct([("name", pa.string()), ("offset", pa.int64()), ("size", pa.int64())])

SAMPLE = pa.schema(
    [
        column(
            "shard",
            pa.string(),
            unit="name",
            null="never",
            producer="source",
            doc="Name of the source shard; with `key` it makes the `uid`.",
        ),
        column(
            "key",
            pa.string(),
            unit="name",
            null="never",
            producer="source",
            doc="Member key inside the shard, path kept, extension removed.",
        ),
        column(
            "image_member",
            pa.string(),
            unit="name",
            null="the sample has no image",
            producer="source",
            doc="Name of the image member as stored; its extension may lie about the format.",
        ),
        column(
            "image_size_bytes",
            pa.int64(),
            unit="bytes",
            null="the sample has no image",
            producer="source",
            doc="Length of the encoded image as stored.",
        ),
        column(
            "alt_text",
            pa.string(),
            unit="text",
            null="the sample has no text",
            producer="source",
            doc="Text as crawled: UTF-8, untrusted, at most 65,536 characters; bad bytes become U+FFFD.",
        ),
        column(
            "alt_text_cut",
            pa.bool_(),
            unit="flag",
            null="never",
            producer="source",
            doc="True when the stored text was longer than `alt_text` may be.",
        ),
        column(
            "metadata",
            pa.string(),
            unit="JSON",
            null="no metadata, or it does not parse, or is over 1 MiB",
            producer="source",
            doc="The .json member, or the other columns of a Parquet row, as JSON text.",
        ),
        column(
            "members",
            pa.list_(MEMBER),
            unit="bytes",
            null="never",
            producer="source",
            doc="Where every member of the sample lies in the shard; offsets are -1 in Parquet shards.",
        ),
    ]
)
