"""The caption of a picture, and how it came about."""

import pyarrow as pa

from schemas.fields import column

__all__ = ["CAPTION", "CAPTION_MARKS"]

CAPTION_MARKS = (
    "empty",
    "hedging",
    "leaked_coordinates",
    "leaked_prompt",
    "refusal",
    "repeated_sentence",
    "stock_opener",
    "too_long",
    "too_short",
    "truncated",
)
"""Every mark that `caption_marks` may hold, sorted; `curate.captions.guards` says how each is found."""

CAPTION = pa.schema(
    [
        column(
            "caption",
            pa.string(),
            unit="text",
            null="not captioned",
            producer="dense_caption",
            doc="What the captioner wrote, white space at both ends removed. Synthetic text.",
        ),
        column(
            "caption_words",
            pa.int32(),
            unit="count",
            null="not captioned",
            producer="dense_caption",
            doc="Words of the caption, counted as `text_words`.",
        ),
        column(
            "caption_marks",
            pa.list_(pa.string()),
            unit="names",
            null="not captioned",
            producer="dense_caption",
            doc="What the guards found wrong, sorted; empty when nothing: " + ", ".join(CAPTION_MARKS) + ".",
        ),
        column(
            "caption_prompt_id",
            pa.string(),
            unit="id",
            null="not captioned",
            producer="dense_caption",
            doc="Id of the prompt, `fusion-v1` or another.",
        ),
        column(
            "caption_model",
            pa.string(),
            unit="name",
            null="not captioned",
            producer="dense_caption",
            doc="Name of the model that wrote the caption; its weights are in the stage id.",
        ),
        column(
            "caption_hints",
            pa.string(),
            unit="text",
            null="not captioned",
            producer="dense_caption",
            doc="The hint block exactly as the model got it; empty: nothing was known. Quotes untrusted text.",
        ),
        column(
            "caption_prompt_tokens",
            pa.int32(),
            unit="count",
            null="not captioned",
            producer="dense_caption",
            doc="Tokens of the prompt, those of the picture included.",
        ),
        column(
            "caption_completion_tokens",
            pa.int32(),
            unit="count",
            null="not captioned",
            producer="dense_caption",
            doc="Tokens that the model wrote.",
        ),
        column(
            "caption_finish_reason",
            pa.string(),
            unit="name",
            null="not captioned, or the engine does not say",
            producer="dense_caption",
            doc="Why the model stopped: `stop` (it was done), `length` (max_tokens), or another word of its engine.",
        ),
    ]
)
