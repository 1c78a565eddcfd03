"""Columns of the SemanticDuplicates corpus stage."""

import pyarrow as pa

from schemas.fields import column

__all__ = ["SEMANTIC_DUPLICATES"]

SEMANTIC_DUPLICATES = pa.schema(
    [
        column(
            "semantic_cosine",
            pa.float32(),
            unit="cosine",
            null="the embedding or the cluster is null",
            producer="semantic_duplicates",
            doc="Highest cosine with a sample of the same cluster that comes before it; -1 where none does.",
        ),
        column(
            "semantic_duplicate_of",
            pa.string(),
            unit="uid",
            null="none comes before it, or not measured",
            producer="semantic_duplicates",
            doc="The sample with which it has `semantic_cosine`.",
        ),
    ]
)
