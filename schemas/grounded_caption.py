"""The words of a caption and their boxes.

The names begin with the text: `GroundedCaption(column="final_caption")` adds `final_caption_phrases`.
"""

import pyarrow as pa

from schemas.fields import column

__all__ = ["GROUNDED_CAPTION", "PHRASE"]

PHRASE = pa.struct(
    [
        ("phrase", pa.string()),
        ("start", pa.int32()),
        ("end", pa.int32()),
        ("label", pa.string()),
        ("boxes", pa.list_(pa.list_(pa.float32()))),
    ]
)

GROUNDED_CAPTION = pa.schema(
    [
        column(
            "caption_phrases",
            pa.list_(PHRASE),
            unit="phrases",
            null="no caption, or no objects measured",
            producer="grounded_caption",
            doc="Every mention of an object in the order of the caption: the words, their start and end in characters, "
            "the class, and its boxes as x0, y0, x1, y1 in fractions of the image; no boxes: nobody can tell which.",
        ),
        column(
            "caption_grounded_frac",
            pa.float32(),
            unit="fraction",
            null="no caption, no objects measured, or the caption names no class",
            producer="grounded_caption",
            doc="Share of these phrases that have boxes.",
        ),
    ]
)
