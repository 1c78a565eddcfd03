"""Drop texts with too few or too many words."""

from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

__all__ = ["CaptionWords"]


@dataclass(frozen=True, slots=True)
class CaptionWords:
    """Keep texts of `minimum` to `maximum` words, both included; no maximum when None.

    `column` holds the count: `text_words` for the alt text with every Han or kana character a word,
    `text_spaced_words` for DataComp's own count, `caption_words` for a written caption.
    Source: DataComp's basic filter asks for more than 2 words, so 3 (Gadre et al. 2023, arXiv 2304.14108). Its
    image-based filter asks for more than 1: say which one a recipe means.

    >>> CaptionWords(3, 5).keep(pa.table({"text_words": [2, 3, 5, 6, None]})).to_pylist()
    [False, True, True, False, None]
    """

    minimum: int = 3
    maximum: int | None = None
    column: str = "text_words"

    def __post_init__(self) -> None:
        if self.minimum < 0 or (self.maximum is not None and self.maximum < self.minimum):
            raise ValueError(f"minimum={self.minimum}, maximum={self.maximum}: give 0 <= minimum <= maximum")

    @property
    def needs(self) -> tuple[str, ...]:
        return (self.column,)

    def keep(self, table: pa.Table) -> pa.ChunkedArray:
        words = table[self.column]
        enough = pc.greater_equal(words, self.minimum)
        return enough if self.maximum is None else pc.and_(enough, pc.less_equal(words, self.maximum))
