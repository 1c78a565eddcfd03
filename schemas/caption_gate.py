"""Whether a calibrated judge accepts a caption."""

import pyarrow as pa

from schemas.fields import column

__all__ = ["CAPTION_GATE"]

CAPTION_GATE = pa.schema(
    [
        column(
            "caption_accepted",
            pa.bool_(),
            unit="yes/no",
            null="a score of the judge is missing",
            producer="caption_gate",
            doc="Whether both scores, `caption_vir` and `caption_ita`, reach the threshold of the gate.",
        ),
    ]
)
