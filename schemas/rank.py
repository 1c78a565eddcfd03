"""Columns of the RankFraction corpus stage."""

import pyarrow as pa

from schemas.fields import column

__all__ = ["RANK"]

RANK = pa.schema(
    [
        column(
            "rank",
            pa.int64(),
            unit="index",
            null="the score is null",
            producer="rank_fraction",
            doc="How many samples of the pool, or of the same group, are better: 0 is the best. Equal scores: by uid.",
        ),
        column(
            "rank_frac",
            pa.float64(),
            unit="fraction",
            null="the score is null",
            producer="rank_fraction",
            doc="(`rank` + 1) / `rank_count`: the smallest fraction from the top with the sample in it, up to 1.",
        ),
        column(
            "rank_count",
            pa.int64(),
            unit="count",
            null="the score is null",
            producer="rank_fraction",
            doc="Samples of the pool, or of the same group, that have a score.",
        ),
    ]
)
