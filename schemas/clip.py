"""How well image and alt text match, by a CLIP model."""

import pyarrow as pa

from schemas.fields import column

__all__ = ["CLIP"]

CLIP = pa.schema(
    [
        column(
            "clip_score",
            pa.float32(),
            unit="cosine",
            null="no text, or only white space",
            producer="clip",
            doc="Cosine of image and alt text, -1 to 1. Comparable only within one model: the stage id names it.",
        ),
        column(
            "clip_embedding",
            pa.list_(pa.float16()),
            unit="unit vector",
            null="not measured",
            producer="clip",
            doc="Picture embedding, length 1, in half precision; its dimension is the model's.",
        ),
        column(
            "clip_text_windows",
            pa.int16(),
            unit="count",
            null="no text, or only white space",
            producer="clip",
            doc="Windows of the model's context length that the text was read in; 1 for a text that fits.",
        ),
    ]
)
