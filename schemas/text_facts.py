"""What is known of an alt text without a large model."""

import pyarrow as pa

from schemas.fields import column

__all__ = ["TEXT_FACTS", "TEXT_MARKS"]

TEXT_MARKS = (
    "all_caps",
    "boilerplate",
    "email",
    "filename",
    "html",
    "no_letters",
    "phone",
    "price",
    "url",
)
"""Every mark that `text_marks` may hold, sorted; `curate.experts.text_facts` says how each is found."""

TEXT_FACTS = pa.schema(
    [
        column(
            "text_characters",
            pa.int32(),
            unit="count",
            null="not measured",
            producer="text_facts",
            doc="Unicode code points of the alt text, white space included; 0 without a text.",
        ),
        column(
            "text_words",
            pa.int32(),
            unit="count",
            null="not measured",
            producer="text_facts",
            doc="Words: pieces between white space, and inside a piece every Han or kana character by itself; "
            "0 without a text.",
        ),
        column(
            "text_spaced_words",
            pa.int32(),
            unit="count",
            null="not measured",
            producer="text_facts",
            doc="Pieces between white space whatever the script, as DataComp counts words; 0 without a text.",
        ),
        column(
            "text_repetition_frac",
            pa.float32(),
            unit="fraction",
            null="no text",
            producer="text_facts",
            doc="Share of neighbouring word pairs that occurred before in the text, case folded; "
            "0 for fewer than two words.",
        ),
        column(
            "text_language",
            pa.string(),
            unit="ISO 639 code",
            null="no text, or only white space",
            producer="text_facts",
            doc="Most likely language by fastText's lid.176.",
        ),
        column(
            "text_language_confidence",
            pa.float32(),
            unit="probability",
            null="no text, or only white space",
            producer="text_facts",
            doc="Probability that fastText gives to `text_language`.",
        ),
        column(
            "text_marks",
            pa.list_(pa.string()),
            unit="names",
            null="no text",
            producer="text_facts",
            doc="Signs of text that was not written to describe an image, sorted: " + ", ".join(TEXT_MARKS) + ".",
        ),
    ]
)
