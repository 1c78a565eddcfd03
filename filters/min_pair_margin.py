"""Drop preference pairs whose worse text is not measurably worse."""

from dataclasses import dataclass
from typing import ClassVar

import pyarrow as pa
import pyarrow.compute as pc

__all__ = ["MinPairMargin"]


@dataclass(frozen=True, slots=True)
class MinPairMargin:
    """Keep pairs whose better text has at least `minimum` more of the evidence score than the worse.

    What is wrong in the kinds of `trusted` no detector can see (a colour), so they pass by what they are: their texts
    differ in that one statement. A sample without a pair, or whose image gave nothing to measure by, is unmeasured.
    Source: our own; 0.02 is one wrong statement among some thirty (docs/preference-pairs.md).

    >>> margin, kinds = [0.1, 0.01, 0.0, None], ["ranked_samples", "corrupted_image", "wrong_attribute", None]
    >>> pairs = pa.table({"pair_margin": pa.array(margin, pa.float32()), "pair_kind": kinds})
    >>> MinPairMargin().keep(pairs).to_pylist()
    [True, False, True, None]
    """

    minimum: float = 0.02
    trusted: tuple[str, ...] = ("wrong_attribute",)
    needs: ClassVar[tuple[str, ...]] = ("pair_margin", "pair_kind")

    def __post_init__(self) -> None:
        if not 0 < self.minimum <= 1:
            raise ValueError(f"minimum={self.minimum}: give more than 0, at most 1")

    def keep(self, table: pa.Table) -> pa.ChunkedArray:
        margin = table["pair_margin"]
        enough = pc.greater_equal(margin, pa.scalar(self.minimum, pa.float64()).cast(margin.type, safe=False))
        trusted = pc.is_in(table["pair_kind"], value_set=pa.array(self.trusted, pa.string()))
        return pc.if_else(pc.and_(trusted, pc.is_valid(table["pair_kind"])), True, enough)
