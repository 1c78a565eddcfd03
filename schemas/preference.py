"""A preference pair: two descriptions of one picture, of which the first is better."""

import pyarrow as pa

from schemas.fields import column

__all__ = ["PAIR_KINDS", "PREFERENCE"]

PAIR_KINDS = ("corrupted_image", "misleading_prompt")
"""How the rejected side was made."""

NULL = "not chosen for a pair"


def _column(name: str, kind: pa.DataType, unit: str, doc: str, null: str = NULL) -> pa.Field:
    return column(name, kind, unit=unit, null=null, producer="preference_pair", doc=doc)


PREFERENCE = pa.schema(
    [
        _column(
            "pair_prompt",
            pa.string(),
            "text",
            "The neutral prompt that both sides are stored under for training; it generated neither, "
            "unless it equals `pair_rejected_prompt`.",
        ),
        _column("pair_chosen", pa.string(), "text", "The better text: step by step, on the clean picture."),
        _column("pair_rejected", pa.string(), "text", "The worse text, see `pair_kind`."),
        _column("pair_chosen_prompt", pa.string(), "text", "The prompt that generated `pair_chosen`."),
        _column("pair_rejected_prompt", pa.string(), "text", "The prompt that generated `pair_rejected`."),
        _column("pair_kind", pa.string(), "name", "How the worse text was made: " + " or ".join(PAIR_KINDS) + "."),
        _column(
            "pair_corruption",
            pa.string(),
            "name",
            "What was done to the picture: `low_resolution` or `color_jitter`.",
            f"{NULL}, or the picture was clean",
        ),
        _column(
            "pair_corruption_parameters",
            pa.string(),
            "JSON",
            "Its parameters, enough to do it again.",
            f"{NULL}, or the picture was clean",
        ),
        _column(
            "pair_image_sha256",
            pa.string(),
            "hex",
            "Digest of size and RGB pixels of the picture that the better text is about, at its pixel budget.",
        ),
        _column(
            "pair_rejected_image_sha256",
            pa.string(),
            "hex",
            "The same of the picture that the worse text is about; differs exactly when it was corrupted.",
        ),
        _column("pair_model", pa.string(), "name", "Name of the model that wrote both."),
        _column("pair_prompt_tokens", pa.int32(), "count", "Tokens of both generating prompts with their pictures."),
        _column("pair_completion_tokens", pa.int32(), "count", "Tokens of both texts."),
        _column(
            "pair_finish_reasons",
            pa.list_(pa.string()),
            "names",
            "Why the model stopped: the better text first, then the worse.",
        ),
    ]
)
