"""Drop images that are dark all over."""

from dataclasses import dataclass
from typing import ClassVar

import pyarrow as pa

from filters.bounds import at_least

__all__ = ["NotDark"]


@dataclass(frozen=True, slots=True)
class NotDark:
    """Keep images whose brightest hundredth reaches a luma of `minimum`.

    A night with lights in it stays, an underexposed picture goes.
    Source: ours, measured on photographs darkened to a fifth (docs/quality.md).

    >>> NotDark(70).keep(pa.table({"luma_high": [70.0, 69.0, None]})).to_pylist()
    [True, False, None]
    """

    minimum: float = 70.0
    needs: ClassVar[tuple[str, ...]] = ("luma_high",)

    def __post_init__(self) -> None:
        if not 0 <= self.minimum <= 255:
            raise ValueError(f"minimum={self.minimum}: give a luma, 0 to 255")

    def keep(self, table: pa.Table) -> pa.ChunkedArray:
        return at_least(table["luma_high"], self.minimum)
