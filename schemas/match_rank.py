"""How well image and text match, beside other images and texts of the same language."""

import pyarrow as pa

from schemas.fields import column

__all__ = ["MATCH_RANK"]

NULL = "no image embedding or no text embedding"

MATCH_RANK = pa.schema(
    [
        column(
            "match_rank",
            pa.int64(),
            unit="index",
            null=NULL,
            producer="match_rank",
            doc="How many of the samples that it is compared with match better, 0 the best: their texts with this "
            "image, or their images with this text, whichever are fewer.",
        ),
        column(
            "match_rank_frac",
            pa.float64(),
            unit="fraction",
            null=NULL,
            producer="match_rank",
            doc="(`match_rank` + 1) / `match_rank_count`.",
        ),
        column(
            "match_rank_count",
            pa.int64(),
            unit="count",
            null=NULL,
            producer="match_rank",
            doc="Samples that were compared, this one included: fewer than asked for where a language has fewer.",
        ),
    ]
)
