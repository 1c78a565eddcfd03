"""Drop captions that a calibrated judge does not accept."""

from dataclasses import dataclass

import pyarrow as pa

from schemas.prefix import repr_without_defaults

__all__ = ["CaptionAccepted"]


@dataclass(frozen=True, slots=True)
class CaptionAccepted:
    """Keep captions that `CaptionGate` accepts: both scores of the judge reach its threshold. `column` says so.

    Source: SAIL-VL2 drops captions below 3 of 5 on richness or alignment (arXiv 2509.14033). The threshold is the
    gate's, because it is what the judge was calibrated for.

    >>> CaptionAccepted().keep(pa.table({"caption_accepted": [True, False, None]})).to_pylist()
    [True, False, None]
    """

    column: str = "caption_accepted"

    def __repr__(self) -> str:
        return repr_without_defaults(self, "column")

    @property
    def needs(self) -> tuple[str, ...]:
        return (self.column,)

    def keep(self, table: pa.Table) -> pa.ChunkedArray:
        return table[self.column]
