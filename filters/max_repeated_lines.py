"""Drop images that say the same over and over."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, ClassVar

import pyarrow as pa

__all__ = ["MaxRepeatedLines"]


@dataclass(frozen=True, slots=True)
class MaxRepeatedLines:
    """Keep images in which no line of text stands more than `maximum` times.

    That is what the watermark of a picture agency looks like to OCR. Case and spaces do not count, and lines of fewer
    than 4 letters are left out.
    Source: ours (docs/quality.md); posters repeat a word, price lists a number, rarely a line four times.

    >>> lines = [[{"text": "Stock Photo"}, {"text": "stockphoto"}], [{"text": "SALE"}], None]
    >>> MaxRepeatedLines(1).keep(pa.table({"ocr_lines": lines})).to_pylist()
    [False, True, None]
    """

    maximum: int = 3
    needs: ClassVar[tuple[str, ...]] = ("ocr_lines",)

    def __post_init__(self) -> None:
        if self.maximum < 1:
            raise ValueError(f"maximum={self.maximum}: give a count, 1 or more")

    def keep(self, table: pa.Table) -> pa.Array:
        rows = table["ocr_lines"].to_pylist()
        return pa.array([None if row is None else _most(row) <= self.maximum for row in rows], pa.bool_())


def _most(lines: Iterable[Any]) -> int:
    """Return how often the most frequent line stands there; 0 without lines."""
    texts = ("".join((line["text"] or "").split()).casefold() for line in lines if line)
    return max(Counter(text for text in texts if sum(map(str.isalpha, text)) >= 4).values(), default=0)
