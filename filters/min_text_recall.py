"""Drop captions that pass over text."""

from dataclasses import dataclass

import pyarrow as pa

from filters.shares import check_fraction, enough

__all__ = ["MinTextRecall"]


@dataclass(frozen=True, slots=True)
class MinTextRecall:
    """Keep captions that hold at least a `minimum` share of the lines that OCR read for sure.

    Kept too: captions of images without sure text. `column` is the text that `CaptionEvidence` judged; see
    `schemas.caption_evidence`.
    Source: our own; 0.5 is ours. Images full of text need a lower one: nobody tells every line.

    >>> shares = {"caption_text_recall": pa.array([1.0, 0.4, None, None], pa.float32())}
    >>> lists = {"caption_missed_texts": pa.array([[], ["x"], [], None], pa.list_(pa.string()))}
    >>> MinTextRecall(0.5).keep(pa.table(shares | lists)).to_pylist()
    [True, False, True, None]
    """

    minimum: float = 0.5
    column: str = "caption"

    def __post_init__(self) -> None:
        check_fraction(self.minimum)

    @property
    def needs(self) -> tuple[str, ...]:
        return (f"{self.column}_text_recall", f"{self.column}_missed_texts")

    def keep(self, table: pa.Table) -> pa.ChunkedArray:
        share, listed = self.needs
        return enough(table[share], self.minimum, table[listed])
