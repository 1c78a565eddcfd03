"""Let an expert measure a table of images right here: no Ray, no dataset folder."""

from collections.abc import Sequence

import pyarrow as pa

from curate.stages import Batch, Expert, Pixels

__all__ = ["add_columns"]

BATCH_ROWS = 64


def add_columns(expert: Expert, table: pa.Table, images: Sequence[Pixels], payloads: Sequence[bytes] = ()) -> pa.Table:
    """Return the table with an expert's columns; raises the error of the first row that it cannot measure."""
    scorer, parts = expert.load(), []
    for start in range(0, table.num_rows, BATCH_ROWS):
        rows = slice(start, start + BATCH_ROWS)
        asked = table.slice(start, BATCH_ROWS).select(["uid", *expert.needs])
        result = scorer(Batch(asked, payloads[rows], images[rows] if expert.pixels is not None else ()))
        for error in result.errors or ():
            if error is not None:
                raise error
        parts.append([pa.array(result.columns[field.name], field.type) for field in expert.adds])
    for field, chunks in zip(expert.adds, zip(*parts, strict=True), strict=True):
        table = table.append_column(field.name, pa.chunked_array(chunks, field.type))
    return table
