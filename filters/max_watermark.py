"""Drop images with a watermark."""

from dataclasses import dataclass

import pyarrow as pa

from filters.bounds import at_most

__all__ = ["MaxWatermark"]


@dataclass(frozen=True, slots=True)
class MaxWatermark:
    """Keep images whose watermark score is at most `maximum`; what has no score goes.

    `column` is the score: `watermark_score`, or `imported_watermark_score` where the source brings LAION's pwatermark.
    Source: LAION-High-Resolution and LAION-Aesthetics keep pwatermark below 0.8 (Schuhmann et al. 2022, arXiv
    2210.08402). A threshold belongs to one model.

    >>> MaxWatermark(0.8).keep(pa.table({"watermark_score": [0.8, 0.9, None]})).to_pylist()
    [True, False, None]
    """

    maximum: float = 0.8
    column: str = "watermark_score"

    @property
    def needs(self) -> tuple[str, ...]:
        return (self.column,)

    def keep(self, table: pa.Table) -> pa.ChunkedArray:
        return at_most(table[self.column], self.maximum)
