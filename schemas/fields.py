"""How a column describes itself: unit, meaning of null, producer."""

from collections.abc import Mapping
from typing import Any

import pyarrow as pa

__all__ = ["about", "column", "describe", "values_about"]


def column(name: str, kind: pa.DataType, *, unit: str, null: str, producer: str, doc: str) -> pa.Field:
    """Return an Arrow field that carries its own documentation as metadata.

    `unit` is a unit or a kind of value ("px", "cosine", "text"); `null` says what a null means
    ("never" makes the field non-nullable); `producer` names the stage that writes it.
    """
    metadata = {"unit": unit, "null": null, "producer": producer, "doc": doc}
    return pa.field(name, kind, nullable=null != "never", metadata=metadata)


def about(schema: pa.Schema, text: str) -> pa.Schema:
    """Return the columns about the caption as columns about another text: their names begin with `text` instead.

    >>> about(pa.schema([pa.field("caption_words", pa.int32())]), "final_caption").names
    ['final_caption_words']
    """
    return pa.schema([field.with_name(text + field.name.removeprefix("caption")) for field in schema])


def values_about(values: Mapping[str, Any], text: str) -> dict[str, Any]:
    """Return values of columns about the caption under the names that `about` gives the columns.

    >>> values_about({"caption": "A dog.", "caption_words": 2}, "brief")
    {'brief': 'A dog.', 'brief_words': 2}
    """
    return {text + name.removeprefix("caption"): value for name, value in values.items()}


def describe(field: pa.Field) -> dict[str, str]:
    """Return the documentation that `column` stored in a field."""
    return {key.decode(): value.decode() for key, value in (field.metadata or {}).items()}
