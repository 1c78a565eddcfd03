"""Drop captions of whose claims too few could be judged."""

from dataclasses import dataclass

import pyarrow as pa

from filters.shares import check_fraction, enough

__all__ = ["MinEvidenceCoverage"]


@dataclass(frozen=True, slots=True)
class MinEvidenceCoverage:
    """Keep captions of whose claims a share of at least `minimum` was judged; see `schemas.caption_evidence`.

    Precision says how many of the judged claims are right; this says how many were judged. Put it before the filters
    on precision and wrong claims, which pass what nobody could judge. Kept too: captions that claim nothing. `column`
    is the text that `CaptionEvidence` judged.
    Source: our own; what coverage detectors and lexica reach is measured in docs/evidence.md.

    >>> shares = {"caption_evidence_coverage": pa.array([0.8, 0.1, None, None], pa.float32())}
    >>> counts = {"caption_wrong_claims": pa.array([0, 0, 0, None], pa.int32())}
    >>> MinEvidenceCoverage(0.5).keep(pa.table(shares | counts)).to_pylist()
    [True, False, True, None]
    """

    minimum: float = 0.5
    column: str = "caption"

    def __post_init__(self) -> None:
        check_fraction(self.minimum)

    @property
    def needs(self) -> tuple[str, ...]:
        return (f"{self.column}_evidence_coverage", f"{self.column}_wrong_claims")

    def keep(self, table: pa.Table) -> pa.ChunkedArray:
        share, counted = self.needs
        return enough(table[share], self.minimum, table[counted])
