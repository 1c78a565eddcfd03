"""Drop samples whose answer the label did not verify."""

from dataclasses import dataclass
from typing import ClassVar

import pyarrow as pa
import pyarrow.compute as pc

from schemas.label_verified import LABEL_OUTCOMES

__all__ = ["LabelOutcome"]


@dataclass(frozen=True, slots=True)
class LabelOutcome:
    """Keep samples whose verified answer came about in one of these ways; by default without help only.

    Source: Video-STaR trains its final model on direct answers: rationalised ones are made up more often (Zohar et al.
    2024, arXiv 2407.06189).

    >>> outcomes = pa.table({"labelled_outcome": ["direct", "rationalised", "failed", None]})
    >>> LabelOutcome().keep(outcomes).to_pylist()
    [True, False, False, None]
    """

    allow: tuple[str, ...] = ("direct",)
    needs: ClassVar[tuple[str, ...]] = ("labelled_outcome",)

    def __post_init__(self) -> None:
        if unknown := sorted(set(self.allow) - set(LABEL_OUTCOMES)):
            raise ValueError(f"allow={self.allow}: unknown {', '.join(unknown)}; allowed: {', '.join(LABEL_OUTCOMES)}")

    def keep(self, table: pa.Table) -> pa.ChunkedArray:
        outcomes = table["labelled_outcome"]
        return pc.if_else(pc.is_valid(outcomes), pc.is_in(outcomes, value_set=pa.array(self.allow, pa.string())), None)
