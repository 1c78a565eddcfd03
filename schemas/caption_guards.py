"""What guards say about a text, measured anew without captioning anew.

The names begin with the judged column: `CaptionGuards(column="final_caption")` adds `final_caption_guards`.
"""

import pyarrow as pa

from schemas.caption import CAPTION_MARKS
from schemas.fields import column

__all__ = ["CAPTION_GUARDS", "GUARD_MARKS"]

GUARD_MARKS = tuple(sorted((*CAPTION_MARKS, "wrong_language")))
"""Every mark that `caption_guards` may hold, sorted: those of `caption_marks`, and the language."""

CAPTION_GUARDS = pa.schema(
    [
        column(
            "caption_guards",
            pa.list_(pa.string()),
            unit="names",
            null="no caption",
            producer="caption_guards",
            doc="What the guards found wrong, sorted; empty when nothing: the marks of `caption_marks`, and "
            "wrong_language.",
        ),
        column(
            "caption_language",
            pa.string(),
            unit="ISO 639 code",
            null="no caption, no letter outside quotation marks, or no language asked for",
            producer="caption_guards",
            doc="Most likely language by fastText's lid.176, quotations left out.",
        ),
        column(
            "caption_language_confidence",
            pa.float32(),
            unit="probability",
            null="no caption, no letter outside quotation marks, or no language asked for",
            producer="caption_guards",
            doc="Probability that fastText gives to `caption_language`.",
        ),
    ]
)
