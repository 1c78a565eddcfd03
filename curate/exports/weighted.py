"""Several captions of a sample with weights: a trainer draws one of them each time it reads the sample."""

from collections.abc import Iterator, Sequence
from typing import Any, Final

import pyarrow as pa

from curate.errors import PlanError

__all__ = ["CAPTIONS", "Weights", "captions_of", "filled_condition", "read_weights"]

Weights = tuple[tuple[str, float], ...]
"""Columns of texts, each with its weight above 0."""
CAPTIONS: Final = pa.list_(pa.struct([("column", pa.string()), ("text", pa.string()), ("weight", pa.float64())]))
"""The value `captions` of a document: always all columns in their order, so that its type never changes."""
EXAMPLE: Final = "e.g. caption:0.7,alt_text:0.3"


def read_weights(text: str | None) -> Weights:
    """Return the columns and weights of a text such as `caption:0.7,alt_text:0.3`; raises PlanError.

    >>> read_weights("caption:0.7,alt_text:0.3")
    (('caption', 0.7), ('alt_text', 0.3))
    """
    if text is None:
        return ()
    pairs = [part.strip().rpartition(":") for part in text.split(",")]
    try:
        weights = tuple((name, float(weight)) for name, _, weight in pairs)
    except ValueError:
        raise PlanError(f"captions={text}: a weight is no number; give COLUMN:WEIGHT,..., {EXAMPLE}") from None
    if not all(name and 0 < weight < float("inf") for name, weight in weights):
        raise PlanError(f"captions={text}: give each column a weight above 0, {EXAMPLE}")
    if len({name for name, _ in weights}) < len(weights):
        raise PlanError(f"captions={text}: a column stands there twice")
    return weights


def filled_condition(weights: Weights, columns: Sequence[str]) -> str | None:
    """Return the SQL for samples that have one of the captions at least; raises PlanError for an unknown column."""
    if missing := [name for name, _ in weights if name not in columns]:
        raise PlanError(f"captions: there is no column {missing[0]!r}; columns: {', '.join(columns)}")
    return " OR ".join(f'"{name}" IS NOT NULL' for name, _ in weights) or None


def captions_of(rows: pa.Table, weights: Weights) -> Iterator[list[dict[str, Any]]]:
    """Yield the captions of each row; the weights of those that are not null make 1, a null one has weight 0."""
    for texts in zip(*(rows[name].to_pylist() for name, _ in weights), strict=True):
        total = sum(weight for text, (_, weight) in zip(texts, weights, strict=True) if text is not None)
        yield [
            {"column": name, "text": text, "weight": 0.0 if text is None else weight / total}
            for text, (name, weight) in zip(texts, weights, strict=True)
        ]
