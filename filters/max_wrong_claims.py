"""Drop captions that make wrong claims."""

from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

__all__ = ["MaxWrongClaims"]


@dataclass(frozen=True, slots=True)
class MaxWrongClaims:
    """Keep captions with at most `maximum` claims that detector or OCR contradict; see `schemas.caption_evidence`.

    Counted are objects and quotations that nobody saw, and numbers and places that do not fit; what nobody could judge
    is not counted: `MinEvidenceCoverage`. `column` is the text that `CaptionEvidence` judged.
    Source: our own; what it finds and what it misses is measured in docs/evidence.md.

    >>> MaxWrongClaims(1).keep(pa.table({"caption_wrong_claims": pa.array([0, 1, 2, None], pa.int32())})).to_pylist()
    [True, True, False, None]
    """

    maximum: int = 0
    column: str = "caption"

    def __post_init__(self) -> None:
        if self.maximum < 0:
            raise ValueError(f"maximum={self.maximum}: give 0 or more")

    @property
    def needs(self) -> tuple[str, ...]:
        return (f"{self.column}_wrong_claims",)

    def keep(self, table: pa.Table) -> pa.ChunkedArray:
        return pc.less_equal(table[self.needs[0]], self.maximum)
