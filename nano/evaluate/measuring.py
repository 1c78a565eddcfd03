"""Let an expert measure a table of images right here: no Ray, no dataset folder."""

from collections.abc import Sequence

import pyarrow as pa

from curate.errors import SampleError
from curate.pipeline import FailureLimits, Pipeline
from curate.run.local import measure_cells
from curate.run.replay import with_columns
from curate.stages import Expert, Pixels

__all__ = ["add_columns"]


def add_columns(expert: Expert, table: pa.Table, images: Sequence[Pixels], payloads: Sequence[bytes] = ()) -> pa.Table:
    """Return the table with an expert's columns; raises the error of the first row that it cannot measure."""
    pipeline = Pipeline([expert], FailureLimits(max_error_frac=None))
    (cell,) = measure_cells(pipeline, table, payloads, images).values()
    for code, message in zip(cell["error_code"].to_pylist(), cell["error_message"].to_pylist(), strict=True):
        if code is not None:
            raise SampleError(code, message)
    return with_columns(table, expert, cell)
