"""Drop texts that are too short or too long."""

from dataclasses import dataclass
from typing import ClassVar

import pyarrow as pa
import pyarrow.compute as pc

__all__ = ["CaptionCharacters"]


@dataclass(frozen=True, slots=True)
class CaptionCharacters:
    """Keep alt texts of `minimum` to `maximum` characters, both included; no maximum when None.

    Source: DataComp's basic filter asks for more than 5 characters, so 6 (Gadre et al. 2023, arXiv 2304.14108).

    >>> CaptionCharacters(6).keep(pa.table({"text_characters": [5, 6, None]})).to_pylist()
    [False, True, None]
    """

    minimum: int = 6
    maximum: int | None = None
    needs: ClassVar[tuple[str, ...]] = ("text_characters",)

    def __post_init__(self) -> None:
        if self.minimum < 0 or (self.maximum is not None and self.maximum < self.minimum):
            raise ValueError(f"minimum={self.minimum}, maximum={self.maximum}: give 0 <= minimum <= maximum")

    def keep(self, table: pa.Table) -> pa.ChunkedArray:
        characters = table["text_characters"]
        enough = pc.greater_equal(characters, self.minimum)
        return enough if self.maximum is None else pc.and_(enough, pc.less_equal(characters, self.maximum))
