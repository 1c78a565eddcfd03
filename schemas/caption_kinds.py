"""Several kinds of text about one image, and the one that was drawn."""

import pyarrow as pa

from schemas.fields import column

__all__ = ["CAPTION_KINDS", "DRAWN_CAPTION", "KIND_TEXT", "NOT_ASKED"]

NOT_ASKED = ("command_in_alt_text", "no_alt_text")
"""Marks of a rewrite that was not asked for; its text is null."""

KIND_TEXT = pa.struct(
    [
        ("kind", pa.string()),
        ("text", pa.string()),
        ("weight", pa.float32()),
        ("words", pa.int32()),
        ("marks", pa.list_(pa.string())),
        ("prompt_id", pa.string()),
        ("finish_reason", pa.string()),
    ]
)


def _column(name: str, kind: pa.DataType, unit: str, null: str, doc: str, producer: str = "caption_kinds") -> pa.Field:
    return column(name, kind, unit=unit, null=null, producer=producer, doc=doc)


CAPTION_KINDS = pa.schema(
    [
        _column(
            "captions",
            pa.list_(KIND_TEXT),
            "texts",
            "not written",
            "One entry per kind, in the recipe's order: name of the kind, text, sampling weight, words (as "
            "`text_words`), marks as in `caption_marks`, id of the prompt, why the model stopped. A rewrite that was "
            f"not asked for has a null text and one of the marks {', '.join(NOT_ASKED)}. Synthetic texts.",
        ),
        _column(
            "captions_model",
            pa.string(),
            "name",
            "not written",
            "Name of the model that wrote them; its weights are in the stage id.",
        ),
        _column(
            "captions_prompt_tokens",
            pa.int32(),
            "count",
            "not written",
            "Tokens of all prompts, each with the image; what a prefix cache spares is not taken off.",
        ),
        _column(
            "captions_completion_tokens", pa.int32(), "count", "not written", "Tokens that the model wrote, all kinds."
        ),
        _column(
            "captions_tags",
            pa.list_(pa.string()),
            "names",
            "not written, or no kind of that name",
            "The text of the kind `tags` as a list, each once. Empty: the model wrote no list.",
        ),
        _column(
            "alt_text_names",
            pa.list_(pa.string()),
            "names",
            "no rewrite of the alt text",
            "Names and numbers of the alt text, as far as capitals and digits tell them.",
        ),
        _column(
            "alt_text_names_kept",
            pa.list_(pa.string()),
            "names",
            "no rewrite of the alt text",
            "Those of them whose words all stand in the rewrite.",
        ),
        _column(
            "alt_text_names_kept_frac",
            pa.float32(),
            "fraction",
            "no rewrite of the alt text",
            "How many of `alt_text_names` were kept; 1 where there were none.",
        ),
    ]
)

DRAWN_CAPTION = pa.schema(
    [
        _column(
            "drawn_caption",
            pa.string(),
            "text",
            "no texts, or none that may be drawn",
            "One of `captions`, drawn by weight with a hash of (seed, uid).",
            "drawn_caption",
        ),
        _column(
            "drawn_kind",
            pa.string(),
            "name",
            "no texts, or none that may be drawn",
            "The kind of `drawn_caption`.",
            "drawn_caption",
        ),
    ]
)
