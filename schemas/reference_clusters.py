"""Whether a sample lies in a cluster that reference images lie in too."""

import pyarrow as pa

from schemas.fields import column

__all__ = ["REFERENCE_CLUSTERS"]

REFERENCE_CLUSTERS = pa.schema(
    [
        column(
            "reference_cluster",
            pa.int32(),
            unit="index",
            null="the embedding is null",
            producer="reference_clusters",
            doc="The cluster whose centroid is nearest; numbers mean nothing beyond one set of centroids.",
        ),
        column(
            "reference_hit",
            pa.bool_(),
            unit="flag",
            null="the embedding is null",
            producer="reference_clusters",
            doc="Whether that centroid is the nearest of at least one reference embedding.",
        ),
    ]
)
