"""A model's own description of an image, under one of several neutral prompts."""

import pyarrow as pa

from schemas.fields import column

__all__ = ["DESCRIPTION"]


def _column(name: str, kind: pa.DataType, unit: str, doc: str) -> pa.Field:
    return column(name, kind, unit=unit, null="not described", producer="description", doc=doc)


DESCRIPTION = pa.schema(
    [
        _column("description", pa.string(), "text", "What the model wrote. Synthetic text."),
        _column("description_prompt", pa.string(), "text", "The neutral prompt that chance took for this sample."),
        _column("description_prompt_id", pa.string(), "id", "Its id."),
        _column("description_model", pa.string(), "name", "Name of the model; its weights are in the stage id."),
        _column("description_prompt_tokens", pa.int32(), "count", "Tokens of the prompt with its image."),
        _column("description_completion_tokens", pa.int32(), "count", "Tokens that the model wrote."),
        _column("description_finish_reason", pa.string(), "name", "Why the model stopped, as `caption_finish_reason`."),
    ]
)
