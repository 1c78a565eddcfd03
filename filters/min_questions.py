"""Drop samples that have too few questions left for training."""

from dataclasses import dataclass
from typing import ClassVar

import pyarrow as pa
import pyarrow.compute as pc

__all__ = ["MinQuestions"]


@dataclass(frozen=True, slots=True)
class MinQuestions:
    """Keep samples with at least `minimum` questions that are verified and need the image (`qa_kept`).

    Source: our own; which questions are left is the gate of MMStar (Chen et al. 2024, arXiv 2403.20330).

    >>> MinQuestions(1).keep(pa.table({"qa_kept": [[{"kind": "count"}], [], None]})).to_pylist()
    [True, False, None]
    """

    minimum: int = 1
    needs: ClassVar[tuple[str, ...]] = ("qa_kept",)

    def __post_init__(self) -> None:
        if self.minimum < 1:
            raise ValueError(f"minimum={self.minimum}: give a whole number of questions, 1 or more")

    def keep(self, table: pa.Table) -> pa.ChunkedArray:
        return pc.greater_equal(pc.list_value_length(table["qa_kept"]), self.minimum)
