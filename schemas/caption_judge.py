"""How rich and how true a judge finds a caption."""

import pyarrow as pa

from schemas.fields import column

__all__ = ["CAPTION_JUDGE"]

NULL = "no caption, or not judged"
UNREAD = f"{NULL}, or the answer could not be read"


def _column(name: str, kind: pa.DataType, unit: str, doc: str, null: str = NULL) -> pa.Field:
    return column(name, kind, unit=unit, null=null, producer="caption_judge", doc=doc)


CAPTION_JUDGE = pa.schema(
    [
        _column(
            "caption_vir",
            pa.int8(),
            "score",
            "Visual information richness, 1 to 5: how much of what the image holds is told, in which detail.",
            UNREAD,
        ),
        _column(
            "caption_ita",
            pa.int8(),
            "score",
            "Image-text alignment, 1 to 5: how true, specific and complete the text is for this image.",
            UNREAD,
        ),
        _column("caption_judge_parsed", pa.bool_(), "yes/no", "Whether both scores could be read."),
        _column(
            "caption_judge_reason",
            pa.string(),
            "text",
            "The judge's reason; its whole answer where it could not be read. Synthetic text.",
        ),
        _column("caption_judge_prompt_id", pa.string(), "id", "Id of the prompt."),
        _column("caption_judge_model", pa.string(), "name", "Name of the judge; its weights are in the stage id."),
        _column(
            "caption_judge_prompt_tokens", pa.int32(), "count", "Tokens of the prompt, those of the image included."
        ),
        _column("caption_judge_completion_tokens", pa.int32(), "count", "Tokens of the answer."),
    ]
)
