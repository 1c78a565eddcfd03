"""Drop captions that name objects that the detector did not find."""

from dataclasses import dataclass

import pyarrow as pa

from filters.shares import check_fraction, enough

__all__ = ["MinObjectPrecision"]


@dataclass(frozen=True, slots=True)
class MinObjectPrecision:
    """Keep captions whose objects the detector confirms: a share of at least `minimum`; see `schemas.caption_evidence`.

    Kept too: captions of which no object could be judged; the share is of the judged ones alone, so at a low coverage
    it says little: `MinEvidenceCoverage`. `column` is the text that `CaptionEvidence` judged.
    Source: precision is 1 - CHAIRi (Rohrbach et al. 2018, arXiv 1809.02156), with a detector in the place of
    annotations; 0.5 is ours: a detector overlooks things, so ask for 1.0 only of one that fits its images.

    >>> shares = {"caption_object_precision": pa.array([1.0, 0.4, None, None], pa.float32())}
    >>> lists = {"caption_unsupported": pa.array([[], ["x"], [], None], pa.list_(pa.string()))}
    >>> MinObjectPrecision(0.5).keep(pa.table(shares | lists)).to_pylist()
    [True, False, True, None]
    """

    minimum: float = 0.5
    column: str = "caption"

    def __post_init__(self) -> None:
        check_fraction(self.minimum)

    @property
    def needs(self) -> tuple[str, ...]:
        return (f"{self.column}_object_precision", f"{self.column}_unsupported")

    def keep(self, table: pa.Table) -> pa.ChunkedArray:
        share, listed = self.needs
        return enough(table[share], self.minimum, table[listed])
