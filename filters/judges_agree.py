"""Drop preference pairs that a judge does not confirm."""

from dataclasses import dataclass
from typing import ClassVar

import pyarrow as pa
import pyarrow.compute as pc

__all__ = ["JudgesAgree"]


@dataclass(frozen=True, slots=True)
class JudgesAgree:
    """Keep pairs whose chosen text the judge prefers in both orders.

    A tie, a preference that changes with the order and an answer that could not be read are no confirmation. A sample
    without a pair is unmeasured.
    Source: PandaLM's answers (Wang et al. 2023, arXiv 2306.05087), asked in both orders, which its helper does not do.

    >>> said = ["chosen", "rejected", "tie", "inconsistent", "unparsed", None]
    >>> JudgesAgree().keep(pa.table({"pair_judge_preference": said})).to_pylist()
    [True, False, False, False, False, None]
    """

    needs: ClassVar[tuple[str, ...]] = ("pair_judge_preference",)

    def keep(self, table: pa.Table) -> pa.ChunkedArray:
        return pc.equal(table["pair_judge_preference"], "chosen")
