"""Drop captions that pass over what is there."""

from dataclasses import dataclass

import pyarrow as pa

from filters.shares import check_fraction, enough

__all__ = ["MinObjectRecall"]


@dataclass(frozen=True, slots=True)
class MinObjectRecall:
    """Keep captions that name at least a `minimum` share of the classes that the detector saw for sure.

    Kept too: captions of images in which nothing was seen for sure. `column` is the text that `CaptionEvidence`
    judged; see `schemas.caption_evidence`.
    Source: our own; 0.5 is ours, for detailed captions: short ones name one or two things.

    >>> shares = {"caption_object_recall": pa.array([1.0, 0.4, None, None], pa.float32())}
    >>> lists = {"caption_missed": pa.array([[], ["x"], [], None], pa.list_(pa.string()))}
    >>> MinObjectRecall(0.5).keep(pa.table(shares | lists)).to_pylist()
    [True, False, True, None]
    """

    minimum: float = 0.5
    column: str = "caption"

    def __post_init__(self) -> None:
        check_fraction(self.minimum)

    @property
    def needs(self) -> tuple[str, ...]:
        return (f"{self.column}_object_recall", f"{self.column}_missed")

    def keep(self, table: pa.Table) -> pa.ChunkedArray:
        share, listed = self.needs
        return enough(table[share], self.minimum, table[listed])
