"""Drop images that are unsafe to show at work."""

from dataclasses import dataclass

import pyarrow as pa

from filters.bounds import at_most

__all__ = ["MaxNsfw"]


@dataclass(frozen=True, slots=True)
class MaxNsfw:
    """Keep images whose score is at most `maximum`; what has no score goes.

    `column` is the score: `nsfw_score`, or `imported_nsfw_score` where the source brings LAION's punsafe.
    Source: the most probable of two classes, 0.5. A threshold belongs to one model.

    >>> MaxNsfw(0.5).keep(pa.table({"nsfw_score": [0.5, 0.6, None]})).to_pylist()
    [True, False, None]
    """

    maximum: float = 0.5
    column: str = "nsfw_score"

    @property
    def needs(self) -> tuple[str, ...]:
        return (self.column,)

    def keep(self, table: pa.Table) -> pa.ChunkedArray:
        return at_most(table[self.column], self.maximum)
