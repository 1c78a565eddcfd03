"""Drop images that people would not like."""

from dataclasses import dataclass

import pyarrow as pa

from filters.bounds import at_least

__all__ = ["MinAesthetic"]


@dataclass(frozen=True, slots=True)
class MinAesthetic:
    """Keep images whose aesthetic score is at least `minimum`; what has no score goes.

    `column` is the score: `aesthetic_score`, or `imported_aesthetic_score` where the source brings it.
    Source: LAION-Aesthetics V2 4.5+, the mildest of its subsets. A threshold belongs to one model.

    >>> MinAesthetic(4.5).keep(pa.table({"aesthetic_score": [4.5, 4.4, None]})).to_pylist()
    [True, False, None]
    """

    minimum: float = 4.5
    column: str = "aesthetic_score"

    @property
    def needs(self) -> tuple[str, ...]:
        return (self.column,)

    def keep(self, table: pa.Table) -> pa.ChunkedArray:
        return at_least(table[self.column], self.minimum)
