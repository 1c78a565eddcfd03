"""How well image and alt text match once the text in the image is painted out."""

import pyarrow as pa

from schemas.fields import column

__all__ = ["MASKED_CLIP"]

MASKED_CLIP = pa.schema(
    [
        column(
            "masked_clip_score",
            pa.float32(),
            unit="cosine",
            null="no alt text, or only white space",
            producer="masked_clip",
            doc="Cosine of alt text and image after the text in the image is painted out; `clip_score` where the image "
            "shows no text. Comparable only within one model.",
        ),
        column(
            "masked_clip_area_frac",
            pa.float32(),
            unit="fraction",
            null="not measured",
            producer="masked_clip",
            doc="Share of the image that was painted out, margins included; overlaps count once.",
        ),
    ]
)
