"""Keep texts of chosen languages."""

from dataclasses import dataclass
from typing import ClassVar

import pyarrow as pa
import pyarrow.compute as pc

__all__ = ["LanguageIn"]


@dataclass(frozen=True, slots=True)
class LanguageIn:
    """Keep alt texts whose most likely language is one of `languages`, with at least `min_confidence`.

    Source: DataComp's basic filter keeps fastText's "en" whatever its confidence (Gadre et al. 2023,
    arXiv 2304.14108), so 0.0; a confidence is the user's own choice.

    >>> facts = pa.table({"text_language": ["en", "fr", None], "text_language_confidence": [0.4, 0.9, None]})
    >>> LanguageIn(("en", "de")).keep(facts).to_pylist()
    [True, False, None]
    >>> LanguageIn(("en",), min_confidence=0.5).keep(facts).to_pylist()
    [False, False, None]
    """

    languages: tuple[str, ...] = ("en",)
    min_confidence: float = 0.0
    needs: ClassVar[tuple[str, ...]] = ("text_language", "text_language_confidence")

    def __post_init__(self) -> None:
        if isinstance(self.languages, str) or not self.languages:
            raise ValueError(f"languages={self.languages!r}: give a tuple of codes, such as ('en', 'de')")
        if not 0 <= self.min_confidence <= 1:
            raise ValueError(f"min_confidence={self.min_confidence}: give a probability, 0 to 1")

    def keep(self, table: pa.Table) -> pa.ChunkedArray:
        language = table["text_language"]
        chosen = pc.is_in(language, value_set=pa.array(self.languages, pa.string()))
        is_confident = pc.greater_equal(table["text_language_confidence"], self.min_confidence)
        return pc.if_else(pc.is_valid(language), pc.and_(chosen, is_confident), None)  # is_in calls null False
