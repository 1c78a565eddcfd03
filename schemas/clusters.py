"""Columns of the Clusters corpus stage."""

import pyarrow as pa

from schemas.fields import column

__all__ = ["CLUSTERS"]

CLUSTERS = pa.schema(
    [
        column(
            "cluster",
            pa.int32(),
            unit="index",
            null="the embedding is null",
            producer="clusters",
            doc="The cluster whose centroid is nearest by cosine; numbers mean nothing beyond one pool.",
        ),
        column(
            "cluster_cosine",
            pa.float32(),
            unit="cosine",
            null="the embedding is null",
            producer="clusters",
            doc="Cosine of embedding and centroid: 1 is typical of the cluster, a low one unusual.",
        ),
    ]
)
