"""The caption of an image, and how it came about."""

import pyarrow as pa

from schemas.fields import column

__all__ = ["CAPTION", "CAPTION_MARKS", "CAPTION_PART"]

CAPTION_PART = pa.struct([("grid", pa.int32()), ("box", pa.list_(pa.float32())), ("text", pa.string())])

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
"""Every mark that `caption_marks` may hold, sorted; `curate.captions.checking.guards` says how each is found."""

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
            doc="Id of the prompt, `fusion-v2` or another; then `+` and the id of the prompt that merged tiles.",
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
            doc="The hint block exactly as the model got it, of a tiled image the one of its global view; empty: "
            "nothing was known. Quotes untrusted text.",
        ),
        column(
            "caption_prompt_tokens",
            pa.int32(),
            unit="count",
            null="not captioned",
            producer="dense_caption",
            doc="Tokens of the prompt, those of the image included; of all requests of the sample.",
        ),
        column(
            "caption_completion_tokens",
            pa.int32(),
            unit="count",
            null="not captioned",
            producer="dense_caption",
            doc="Tokens that the model wrote, in all requests of the sample.",
        ),
        column(
            "caption_finish_reason",
            pa.string(),
            unit="name",
            null="not captioned, or the engine does not say",
            producer="dense_caption",
            doc="Why the model stopped: `stop` (it was done), `length` (max_tokens), or another word of its engine.",
        ),
        column(
            "caption_pixels_reason",
            pa.string(),
            unit="name",
            null="not captioned",
            producer="dense_caption",
            doc="What decided on the tier: `fixed` (no choice), `plain` (nothing asks for more), `text`, `page` (dense "
            "text), `small_objects`, `crowd` (many objects), or `unmeasured` (neither objects nor text lines known).",
        ),
        column(
            "caption_tier_px",
            pa.int32(),
            unit="px",
            null="not captioned",
            producer="dense_caption",
            doc="The chosen tier: longest side in px that may be shown.",
        ),
        column(
            "caption_longest_side_px",
            pa.int32(),
            unit="px",
            null="not captioned",
            producer="dense_caption",
            doc="Longest side at which the image was shown, in one piece or by the tiles of the first grid together: "
            "the tier, or less if the original or the number of tiles allows no more. "
            "Then to what the model measures images in, such as whole 28 px.",
        ),
        column(
            "caption_tiles",
            pa.int32(),
            unit="count",
            null="not captioned",
            producer="dense_caption",
            doc="Tiles that were captioned, of both grids; 0: the image was sent in one piece.",
        ),
        column(
            "caption_parts",
            pa.list_(CAPTION_PART),
            unit="texts",
            null="not captioned",
            producer="dense_caption",
            doc="What a tiled caption was made of: the whole image's text (grid 0), then each tile's (grid 1 or 2) "
            "with its box in fractions of the image. Empty: not tiled. Synthetic text.",
        ),
    ]
)
