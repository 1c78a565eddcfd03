"""Drop captions that quote what nobody can read."""

from dataclasses import dataclass

import pyarrow as pa

from filters.shares import check_fraction, enough

__all__ = ["MinTextPrecision"]


@dataclass(frozen=True, slots=True)
class MinTextPrecision:
    """Keep captions whose quotations OCR read: a share of at least `minimum`; see `schemas.caption_evidence`.

    Kept too: captions that quote nothing. `column` is the text that `CaptionEvidence` judged.
    Source: our own; 0.5 is ours.

    >>> shares = {"caption_text_precision": pa.array([1.0, 0.4, None, None], pa.float32())}
    >>> lists = {"caption_unsupported_texts": pa.array([[], ["x"], [], None], pa.list_(pa.string()))}
    >>> MinTextPrecision(0.5).keep(pa.table(shares | lists)).to_pylist()
    [True, False, True, None]
    """

    minimum: float = 0.5
    column: str = "caption"

    def __post_init__(self) -> None:
        check_fraction(self.minimum)

    @property
    def needs(self) -> tuple[str, ...]:
        return (f"{self.column}_text_precision", f"{self.column}_unsupported_texts")

    def keep(self, table: pa.Table) -> pa.ChunkedArray:
        share, listed = self.needs
        return enough(table[share], self.minimum, table[listed])
