"""Columns of the InReference expert."""

import pyarrow as pa

from schemas.fields import column

__all__ = ["REFERENCE"]

REFERENCE = pa.schema(
    [
        column(
            "reference_hits",
            pa.int32(),
            unit="count",
            null="not measured",
            producer="in_reference",
            doc="Images of the references that show the same picture; 0 if none does.",
        ),
        column(
            "reference_source",
            pa.string(),
            unit="name",
            null="no hit",
            producer="in_reference",
            doc="Name of the reference with the surest hit, as it was given to `curate reference --name`.",
        ),
        column(
            "reference_key",
            pa.string(),
            unit="name",
            null="no hit",
            producer="in_reference",
            doc="Shard and key of the surest hit in that reference, with a slash between.",
        ),
        column(
            "reference_distance",
            pa.float32(),
            unit="probability, 0 to 1",
            null="no hit, or by its embedding alone",
            producer="in_reference",
            doc="How likely the surest hit is another picture, as fitted on photographs; 0 where the bytes are equal.",
        ),
        column(
            "reference_cosine",
            pa.float32(),
            unit="cosine",
            null="no embeddings are compared",
            producer="in_reference",
            doc="Highest cosine with an embedding of the references.",
        ),
    ]
)
