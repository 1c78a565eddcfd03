"""The alt text as a CLIP model sees it."""

import pyarrow as pa

from schemas.fields import column

__all__ = ["TEXT_EMBEDDING"]

TEXT_EMBEDDING = pa.schema(
    [
        column(
            "clip_text_embedding",
            pa.list_(pa.float16()),
            unit="unit vector",
            null="no text, or only white space",
            producer="text_embedding",
            doc="Embedding of the alt text, length 1, in half precision, in the space of `clip_embedding`.",
        ),
    ]
)
